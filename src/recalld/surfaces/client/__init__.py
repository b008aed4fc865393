"""The HTTP client of a server, for programs and for the command line."""

from .http_connection import DEFAULT_URL, HttpConnection
from .transport import Reply, Transport, legible, segment
from .verbs import Client

__all__ = ["DEFAULT_URL", "Client", "HttpConnection", "Reply", "Transport", "legible", "segment"]
