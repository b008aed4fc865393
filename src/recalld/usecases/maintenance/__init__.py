"""What keeps derived data true: tiers, vectors, purging."""
