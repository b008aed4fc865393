"""Permissions by role: what each role administers."""

from __future__ import annotations

from recalld.domain.caller import Caller, Role
from recalld.domain.errors import Conflict, Denied, Invalid

from .address import USER_AREAS


def check_root(caller: Caller) -> None:
    """Raise ``Denied`` unless the caller is root."""
    if caller.role is not Role.ROOT:
        raise Denied("only root may do this", remedy="send the root key", details={"role": caller.role.value})


def check_governs(caller: Caller, account: str) -> None:
    """Check that the caller administers an account: root all of them, an admin its own. Raises ``Denied``."""
    if caller.role is Role.ROOT or (caller.role is Role.ADMIN and caller.account == account):
        return
    raise Denied(
        f"{caller.role.value} {caller.user} does not administer account {account[:128]!r}",
        remedy="send the root key, or the key of an admin of that account",
        details={"role": caller.role.value},
    )


def check_user_name(user: str) -> None:
    """Refuse a name that addresses interpret as an area of the caller's own tree. Raises ``Invalid``."""
    if user in USER_AREAS:
        raise Invalid(
            f"user {user!r} is called like an area of every user's tree",
            remedy=f"choose another name than {', '.join(sorted(USER_AREAS))}",
            details={"field": "user"},
        )


def last_admin(account: str, user: str) -> Conflict:
    """Return the error for removing an account's last admin."""
    return Conflict(
        f"{user} is the last admin of account {account}",
        remedy="make another user an admin first, or use the root key",
        code="FAILED_PRECONDITION",
        details={"type": "user", "resource": user},
    )
