"""Accounts, members and keys."""
