"""Adapters: all access to the outside world. Adapters of different ports do not import each other."""
