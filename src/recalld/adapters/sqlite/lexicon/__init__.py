"""Full-text search over FTS5: posting lists and their cache."""
