"""Sessions: append, commit, extract, context."""
