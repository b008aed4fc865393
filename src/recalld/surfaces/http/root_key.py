"""Where the root key is accepted: it administers the server; tenants' data is for tenants' keys."""

from __future__ import annotations

from recalld.domain.errors import Denied

_API = "/api/v1"
_PATHS = frozenset(f"{_API}/{path}" for path in ("system/status", "system/wait", "debug/health", "log/purge"))
_BELOW = ("system/backend", "system/sync", "admin", "observer", "console", "tasks")


def root_key_may(method: str, path: str) -> bool:
    """True if the root key is accepted here."""
    if path in _PATHS:
        return True
    if method != "GET" and _is_below(path, f"{_API}/tasks"):
        return False
    return any(_is_below(path, f"{_API}/{name}") for name in _BELOW)


def check_root_key(method: str, path: str) -> None:
    """Raise ``Denied`` where the root key is not accepted."""
    if not root_key_may(method, path):
        raise Denied(
            "The root key does not open tenants' data",
            remedy="make a user with POST /api/v1/admin/accounts and send that user's key",
            details={"path": path[:200]},
        )


def is_admin_path(path: str) -> bool:
    """True for administrative routes."""
    return _is_below(path, f"{_API}/admin")


def _is_below(path: str, top: str) -> bool:
    return path == top or path.startswith(f"{top}/")
