"""Keeps derived data up to date: tiers, vectors, purging."""
