"""Doors: async Protocols. The docstring is the contract; tests/contract holds every adapter to it."""
