"""How many files, sockets among them, this process may have open."""

from __future__ import annotations

import contextlib
import sys

if sys.platform != "win32":
    import resource

UNKNOWN = 1_024
"""Where the system names no limit (Windows): what is surely allowed."""


def limit() -> int:
    """Files that may be open at once."""
    if sys.platform == "win32":
        return UNKNOWN
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def raise_limit(wanted: int) -> int:
    """For a server: raise the limit to ``wanted``, as far as the system allows a process to raise its own; returns what holds
    then. A higher limit is left alone."""
    if sys.platform != "win32" and limit() < wanted:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):  # forbidden: what holds is returned
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return limit()
