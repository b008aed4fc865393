"""recalld: the context database for AI agents that always answers."""

__version__ = "0.1.0"
