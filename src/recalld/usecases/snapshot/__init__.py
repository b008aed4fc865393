"""Snapshots: name a place in the log, look at it, compare, bring it back."""
