"""Context assembly: recalled text packed into a token budget."""
