"""Routes: each file is one walk through the doors, read top to bottom."""
