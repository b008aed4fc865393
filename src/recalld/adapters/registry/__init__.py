"""Adapters of ``ports.registry``."""
