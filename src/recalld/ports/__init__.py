"""Ports: protocols that adapters implement. The docstring is the contract; tests/contract checks every adapter against it."""
