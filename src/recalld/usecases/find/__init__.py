"""Recall: plan, look in parallel, rank, load."""
