"""Routes: each file is one use case over the ports, read top to bottom."""
