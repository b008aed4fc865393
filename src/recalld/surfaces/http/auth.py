"""Authentication: the caller of a request, by headers alone (dev), by a key (api_key), or as a gateway asserts it (trusted)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from starlette.datastructures import Headers, QueryParams

from recalld.app.config import ServerConfig
from recalld.domain.caller import Caller, Role, identifier
from recalld.domain.errors import Conflict, Denied, Invalid
from recalld.domain.member import Member
from recalld.ports.registry import Members
from recalld.rules.keys import same
from recalld.rules.roles import check_user_name
from recalld.surfaces.http.root_key import is_admin_path

_DEFAULT = "default"
_TRUSTED = "trusted"
_BEARER = "bearer"
_IDENTITY = ("X-OpenViking-Account", "X-OpenViking-User", "X-OpenViking-Role")


def dev_caller(headers: Headers, *, with_peer: bool) -> Caller:
    """The caller in dev mode, without authentication: headers name account, user and peer.

    The role is root so that an *explicit* address of another user works; scope, ``~`` and searches without a target are
    the named user's. ``with_peer`` False: the peer header is ignored (session routes). Raises ``Invalid``.
    """
    account, user = _named(headers, "account") or _DEFAULT, _named(headers, "user") or _DEFAULT
    check_user_name(user)
    return _checked(account, user, Role.ROOT, _peer(headers, with_peer))


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller, and the version of its credentials: it changes with every new key, role and removal."""

    caller: Caller
    credential_version: str = ""


def credential_version(member: Member | None) -> str:
    """A value that changes with the key, role and removal of a member; "" without a key."""
    if member is None or not member.key_mark:
        return ""
    return f"{member.created_at!r} {member.role} {member.key_mark} {member.deleting}"


async def key_caller(headers: Headers, settings: ServerConfig, registry: Members, *, with_peer: bool) -> Identity:
    """The caller in api_key mode: the owner of the key. Identity headers are ignored.

    Raises ``Denied`` (``UNAUTHENTICATED``), ``Conflict`` for a member that is being removed, ``Busy``.
    """
    key, peer = key_of(headers), _peer(headers, with_peer)
    if not key:
        raise _missing_key()
    if is_root_key(key, settings):
        return Identity(_checked(_DEFAULT, _DEFAULT, Role.ROOT, peer))
    member = await registry.identify(key)
    _check_stays(member)
    return Identity(_checked(member.account, member.user, member.role, peer), credential_version(member))


async def trusted_caller(
    headers: Headers,
    query: QueryParams,
    path: str,
    settings: ServerConfig,
    registry: Members,
    *,
    with_peer: bool,
) -> Identity:
    """The caller in trusted mode, as the gateway names it. With a root key configured, the gateway must send it.

    Raises ``Denied`` (``UNAUTHENTICATED``), ``Invalid`` for an identity that is missing or contradicts itself,
    ``Conflict`` for a member that is being removed.
    """
    _check_single(headers)
    if settings.root_key:
        _check_gateway(headers, settings)
        if is_admin_path(path):
            return Identity(_checked(_TRUSTED, _TRUSTED, Role.ROOT, ""))
    account = _agreed(headers, query, "account")
    user = _agreed(headers, query, "user")
    caller = _checked(account, user, Role.USER, _peer(headers, with_peer))
    asserted = _asserted_role(headers, settings)
    member = await registry.member(account, user)
    if member is not None:
        _check_stays(member)
    else:
        check_user_name(user)
    role = asserted or (member.role if member is not None else Role.USER)
    return Identity(_checked(account, user, role, caller.peer), credential_version(member))


def key_of(headers: Headers) -> str:
    """The request's key ("" = none): ``X-API-Key``, else ``Authorization: Bearer`` (the scheme in any case)."""
    key = headers.get("x-api-key", "").strip()
    if key:
        return key
    scheme, _, credentials = headers.get("authorization", "").strip().partition(" ")
    return credentials.strip() if scheme.lower() == _BEARER else ""


def is_root_key(key: str, settings: ServerConfig) -> bool:
    """Compared in constant time; never true where there is no root key."""
    return bool(settings.root_key) and same(key, settings.root_key)


def _check_gateway(headers: Headers, settings: ServerConfig) -> None:
    key = key_of(headers)
    if not key:
        raise _missing_key()
    if not is_root_key(key, settings):
        raise Denied("Invalid API Key", remedy="the gateway sends the root key", code="UNAUTHENTICATED")


def _check_single(headers: Headers) -> None:
    """Reject a repeated identity header: one of them may come from the client instead of the gateway."""
    for name in _IDENTITY:
        if len(headers.getlist(name)) > 1:
            raise Invalid(f"{name} came twice", remedy="the gateway replaces it, or drops it", details={"field": name})


def _missing_key() -> Denied:
    return Denied("Missing API Key", remedy="send it as X-API-Key or as Authorization: Bearer", code="UNAUTHENTICATED")


def _check_stays(member: Member) -> None:
    if member.deleting:
        raise Conflict(
            "User deletion is in progress",
            remedy="wait until its task has ended",
            code="FAILED_PRECONDITION",
            details={"task_id": member.deleting},
        )


def _agreed(headers: Headers, query: QueryParams, what: str) -> str:
    """One identifier, from the header or the query; both must say the same."""
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


@lru_cache(maxsize=1024)
def _checked(account: str, user: str, role: Role, peer: str) -> Caller:
    identifier(account, "account")
    identifier(user, "user")
    if peer:
        identifier(peer, "actor peer")
    return Caller(account, user, role, peer)
