"""The search index over the store's tables: scopes, posting lists and vectors in memory."""
