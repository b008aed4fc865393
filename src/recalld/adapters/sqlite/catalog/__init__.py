"""Nodes and chunks of each partition in memory, for resolving scopes."""
