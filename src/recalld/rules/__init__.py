"""Verbs: plain functions, total, bounded, property-tested; no I/O, no async."""
