"""Measurements: ``python -m bench`` prints one table of what, measured, the floor beside it, the budget, kept or not."""
