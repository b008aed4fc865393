"""Search: plan, search both indexes concurrently, rank, load."""
