"""The registry: accounts, members, and the member that a key belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from recalld.domain.caller import Role
from recalld.domain.member import Account, Member


class Members(Protocol):
    """Reads of accounts and members, held in the store itself. Not bound to a caller: it says who the caller is.

    Every method raises ``Busy`` when too many wait.
    """

    async def identify(self, key: str) -> Member:
        """Whose key this is. A verified key is cached; any other costs a read, and a slow hash off the loop if the member's
        key is ``seeded``. Raises ``Denied`` (``UNAUTHENTICATED``) for a wrong one, ``Busy`` when too many slow checks are
        queued."""

    async def member(self, account: str, user: str) -> Member | None:
        """A member, None if there is none (one known by its settings alone has no ``key_head``)."""

    async def members(self, account: str, *, limit: int, after: str = "") -> list[Member]:
        """The account's members with a key, by name, those after ``after``."""

    async def account(self, account: str) -> Account | None:
        """An account, None if it was never made here."""

    async def accounts(self) -> list[Account]:
        """All accounts, by name."""


class Registry(Members, Protocol):
    """Accounts and members with their writes, in the primary process alone.

    A write is durable on return, and a key or a role that was changed is worth nothing from then on. Members are removed by
    commits (``domain.commit.MarkLeaving`` and ``DropMember``), together with what follows from it; call ``forget`` after the
    first of them. ``seeded``: the secret of the key is derived from a seed, which may be guessed.
    """

    async def found(
        self, account: str, admin: str, *, key: str, seeded: bool = False, settings: Mapping[str, Any]
    ) -> None:
        """Make an account with its first admin, who has this key and these settings. Raises ``Conflict``
        (``ALREADY_EXISTS``)."""

    async def enrol(
        self, account: str, user: str, *, role: Role, key: str, seeded: bool = False, settings: Mapping[str, Any]
    ) -> None:
        """Make a member. Raises ``Conflict`` (``ALREADY_EXISTS``, or ``FAILED_PRECONDITION`` while the account or a
        member of this name is being removed) and ``NotFound`` for an account that is not there."""

    async def set_role(self, account: str, user: str, role: Role, *, keep_admin: bool = False) -> None:
        """Raises ``NotFound``, and ``Conflict`` (``FAILED_PRECONDITION``) where ``keep_admin`` and the account would be left
        without an admin."""

    async def set_key(self, account: str, user: str, key: str, *, seeded: bool = False) -> None:
        """Replace a member's key. Raises ``NotFound``."""

    async def change_settings(
        self, account: str, user: str, changes: Mapping[str, Any], *, within: str = "", keyed: bool = False
    ) -> dict[str, Any]:
        """Merge ``changes`` into a member's settings (``user`` "": the account's) in one transaction, and return them as they
        are then; None takes a setting away. ``within``: merge into the settings that lie under this key. Somebody without a
        key gets a row of settings alone, unless ``keyed``. Raises ``NotFound`` for an account (or ``keyed`` member) that is
        not there."""

    def forget(self, account: str, user: str = "") -> None:
        """Drop what is remembered of a member (``user`` "": of the whole account)."""
