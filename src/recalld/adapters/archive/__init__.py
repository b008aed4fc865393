"""Adapters of one door: one file is one plugin."""
