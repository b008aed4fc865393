"""The HTTP client: every verb of a running server, for programs and for the command line."""

from .line import DEFAULT_URL, Line
from .transport import Reply, Transport, legible
from .verbs import Client, segment

__all__ = ["DEFAULT_URL", "Client", "Line", "Reply", "Transport", "legible", "segment"]
