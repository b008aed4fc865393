"""The HTTP client: every verb of a running server, for programs and for the command line."""

from .http_connection import DEFAULT_URL, HttpConnection
from .transport import Reply, Transport, legible
from .verbs import Client, segment

__all__ = ["DEFAULT_URL", "Client", "HttpConnection", "Reply", "Transport", "legible", "segment"]
