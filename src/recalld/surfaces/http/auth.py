"""Credentials in headers, and where the root key is accepted. ``app/auth.py`` decides whom they stand for."""

from __future__ import annotations

from starlette.datastructures import Headers, QueryParams

from recalld.app.auth import Credentials, Identity, asserted, by_key, claimed, gateway
from recalld.app.config import ServerConfig
from recalld.domain.caller import Role
from recalld.domain.errors import Denied, Invalid
from recalld.ports.registry import Members

_BEARER = "bearer"
_IDENTITY = ("X-OpenViking-Account", "X-OpenViking-User", "X-OpenViking-Role")


def dev_identity(headers: Headers, *, with_peer: bool) -> Identity:
    """Mode dev: headers name account, user and peer. ``with_peer`` False: the peer is ignored. Raises ``Invalid``."""
    return claimed(
        Credentials(account=_named(headers, "account"), user=_named(headers, "user"), peer=_peer(headers, with_peer))
    )


async def key_identity(headers: Headers, settings: ServerConfig, registry: Members, *, with_peer: bool) -> Identity:
    """Mode api_key: the key alone counts. Raises as ``by_key`` does, and ``Denied`` without a key."""
    credentials = Credentials(_required_key(headers), peer=_peer(headers, with_peer))
    return await by_key(credentials, settings.root_key, registry)


async def trusted_identity(
    headers: Headers, query: QueryParams, path: str, settings: ServerConfig, registry: Members, *, with_peer: bool
) -> Identity:
    """Mode trusted: the gateway names the caller. With a root key configured, it must send that key.

    Raises as ``asserted`` and ``gateway`` do, and ``Invalid`` for an identity that is missing or contradicts itself.
    """
    for name in _IDENTITY:  # one of two may come from the client instead of the gateway
        if len(headers.getlist(name)) > 1:
            raise Invalid(f"{name} came twice", remedy="the gateway replaces it, or drops it", details={"field": name})
    if settings.root_key:
        identity = gateway(_required_key(headers), settings.root_key)
        if is_admin_path(path):
            return identity
    account, user = _agreed(headers, query, "account"), _agreed(headers, query, "user")
    role = _asserted_role(headers, settings)
    credentials = Credentials(account=account, user=user, peer=_peer(headers, with_peer), role=role)
    return await asserted(credentials, registry)


def key_of(headers: Headers) -> str:
    """Return the key ("" = none): ``X-API-Key``, else ``Authorization: Bearer`` (the scheme in any case)."""
    key = headers.get("x-api-key", "").strip()
    if key:
        return key
    scheme, _, credentials = headers.get("authorization", "").strip().partition(" ")
    return credentials.strip() if scheme.lower() == _BEARER else ""


def _required_key(headers: Headers) -> str:
    key = key_of(headers)
    if not key:
        raise Denied(
            "Missing API Key", remedy="send it as X-API-Key or as Authorization: Bearer", code="UNAUTHENTICATED"
        )
    return key


def _agreed(headers: Headers, query: QueryParams, what: str) -> str:
    """Return an identifier from the header or the query; if both have it, they must agree."""
    header, field = _named(headers, what), f"{what}_id"
    if len(set(query.getlist(field))) > 1:
        raise Invalid(f"{field} came twice", remedy="send it once", details={"field": field})
    parameter = query.get(field, "").strip()
    if header and parameter and header != parameter:
        raise Invalid(
            f"{field} and X-OpenViking-{what.capitalize()} name two {what}s",
            remedy="send one of them, or the same in both",
            details={"field": field},
        )
    if not header and not parameter:
        raise Invalid(
            f"trusted mode needs an {what}" if what == "account" else f"trusted mode needs a {what}",
            remedy=f"the gateway sends X-OpenViking-{what.capitalize()}",
            details={"field": field},
        )
    return header or parameter


def _asserted_role(headers: Headers, settings: ServerConfig) -> Role | None:
    role = headers.get("x-openviking-role", "").strip()
    if not role:
        return None
    if not settings.root_key or role not in {Role.USER, Role.ADMIN}:
        raise Invalid(
            f"X-OpenViking-Role {role[:40]!r} is not taken",
            remedy="user or admin, and only where the server has a root key",
            details={"field": "X-OpenViking-Role"},
        )
    return Role(role)


def _named(headers: Headers, what: str) -> str:
    return headers.get(f"x-openviking-{what}", "").strip()


def _peer(headers: Headers, with_peer: bool) -> str:
    return headers.get("x-openviking-actor-peer", "").strip() if with_peer else ""


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
