"""Vector search: matrices of vectors in memory, exact and approximate."""
