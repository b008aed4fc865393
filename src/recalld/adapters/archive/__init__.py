"""Adapters of one port; each module is one plugin."""
