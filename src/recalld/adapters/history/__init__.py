"""The past, read from the log."""
