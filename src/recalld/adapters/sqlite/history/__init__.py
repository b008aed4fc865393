"""History, read from the log."""
