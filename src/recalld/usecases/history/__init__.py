"""The log of changes, versions of a file, undo."""
