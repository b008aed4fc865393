"""Skills: parse, store, query."""
