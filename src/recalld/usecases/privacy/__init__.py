"""Private values of a user: versioned, with one active version."""
