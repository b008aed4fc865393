"""The tree: list, read, write, move, search by pattern."""
