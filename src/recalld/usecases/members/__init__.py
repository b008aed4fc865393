"""Members on their way out."""
