"""Authentication: the caller that credentials stand for, by mode of the server."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from recalld.domain.caller import Caller, Role, identifier
from recalld.domain.errors import Conflict, Denied
from recalld.domain.member import Member
from recalld.ports.registry import Members
from recalld.rules.keys import same
from recalld.rules.roles import check_user_name

_DEFAULT = "default"
_TRUSTED = "trusted"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request presents. "" and None: not given."""

    key: str = ""
    account: str = ""
    user: str = ""
    peer: str = ""
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller, and the version of its credentials: it changes with every new key, role and removal."""

    caller: Caller
    credential_version: str = ""


def credential_version(member: Member | None) -> str:
    """Return a value that changes with the key, role and removal of a member; "" without a key."""
    if member is None or not member.key_mark:
        return ""
    return f"{member.created_at!r} {member.role} {member.key_mark} {member.deleting}"


def claimed(credentials: Credentials) -> Identity:
    """Mode dev: the caller is who it claims to be.

    The role is root so that an *explicit* address of another user works. ``~`` and searches without a target are the named user's.
    Raises ``Invalid``.
    """
    account, user = credentials.account or _DEFAULT, credentials.user or _DEFAULT
    check_user_name(user)
    return Identity(_caller(account, user, Role.ROOT, credentials.peer))


async def by_key(credentials: Credentials, root_key: str, registry: Members) -> Identity:
    """Mode api_key: the caller is the owner of the key, whatever else is claimed.

    Raises ``Denied`` (``UNAUTHENTICATED``), ``Conflict`` for a member that is being deleted, and ``Busy``.
    """
    if is_root_key(credentials.key, root_key):
        return Identity(_caller(_DEFAULT, _DEFAULT, Role.ROOT, credentials.peer))
    member = await registry.identify(credentials.key)
    _check_not_deleting(member)
    return Identity(_caller(member.account, member.user, member.role, credentials.peer), credential_version(member))


async def asserted(credentials: Credentials, registry: Members) -> Identity:
    """Mode trusted: the caller is whom the gateway names.

    Raises ``Invalid`` for a bad name, and ``Conflict`` for a member that is being deleted.
    """
    account, user = credentials.account, credentials.user
    caller = _caller(account, user, Role.USER, credentials.peer)
    member = await registry.member(account, user)
    if member is not None:
        _check_not_deleting(member)
    else:
        check_user_name(user)
    role = credentials.role or (member.role if member is not None else Role.USER)
    return Identity(_caller(account, user, role, caller.peer), credential_version(member))


def gateway(key: str, root_key: str) -> Identity:
    """Mode trusted: the gateway itself, as root. Raises ``Denied`` (``UNAUTHENTICATED``) for another key."""
    if not is_root_key(key, root_key):
        raise Denied("Invalid API Key", remedy="the gateway sends the root key", code="UNAUTHENTICATED")
    return Identity(_caller(_TRUSTED, _TRUSTED, Role.ROOT, ""))


def is_root_key(key: str, root_key: str) -> bool:
    """Compared in constant time; never true if there is no root key."""
    return bool(root_key) and same(key, root_key)


def _check_not_deleting(member: Member) -> None:
    if member.deleting:
        raise Conflict(
            "User deletion is in progress",
            remedy="wait until its task has ended",
            code="FAILED_PRECONDITION",
            details={"task_id": member.deleting},
        )


@lru_cache(maxsize=1024)
def _caller(account: str, user: str, role: Role, peer: str) -> Caller:
    identifier(account, "account")
    identifier(user, "user")
    if peer:
        identifier(peer, "actor peer")
    return Caller(account, user, role, peer)
