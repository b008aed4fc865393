"""Removal of members."""
