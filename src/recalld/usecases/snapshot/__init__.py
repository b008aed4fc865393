"""Snapshots: create, read, compare, restore."""
