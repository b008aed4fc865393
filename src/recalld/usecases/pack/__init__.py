"""Packs: a subtree or an account as one file, and back."""
