"""Administration of accounts, members, keys and settings. Every method checks the role of its caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from recalld.domain.caller import Caller, Role, identifier
from recalld.domain.commit import Commit, MakeDir
from recalld.domain.errors import Conflict, Invalid, NotFound
from recalld.domain.member import Account, Member
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.rules.glob import compile_glob
from recalld.rules.keys import compose, derived
from recalld.rules.roles import check_governs, check_root, check_user_name
from recalld.usecases.members.delete_member import begin_deletion

MEMBERS_PAGE = 10_000
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Removal:
    """A removal that has begun, and the task it ends with."""

    account: str
    user: str
    task_id: str


class AdminOperations:
    """Administration by root, and by admins in their own account. All methods raise ``Denied`` for other callers."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._ports = ports
        self._caller = caller

    # ------------------------------------------------------------------ accounts
    async def make_account(self, account: str, admin: str, *, seed: str | None, settings: Mapping[str, Any]) -> str:
        """Create an account and its first admin; return that admin's key, which cannot be shown again. Raises
        ``Conflict`` ``ALREADY_EXISTS``."""
        check_root(self._caller)
        identifier(account, "account")
        check_user_name(admin)
        key = self._key(account, identifier(admin, "user"), seed)
        await self._ports.registry.found(account, admin, key=key, settings=settings)
        await self._furnish(account, admin)
        return key

    async def accounts(self) -> list[Account]:
        """Return all accounts by name."""
        check_root(self._caller)
        return await self._ports.registry.accounts()

    async def account(self, account: str) -> Account:
        """Return an account. Raises ``NotFound``."""
        check_governs(self._caller, account)
        found = await self._ports.registry.account(account)
        if found is None:
            raise NotFound(
                f"Account not found: {account[:128]}",
                remedy="list the existing accounts",
                details={"type": "account", "resource": account[:128]},
            )
        return found

    async def remove_account(self, account: str) -> Removal:
        """Block an account at once and remove its data in the background. Raises ``NotFound``."""
        check_root(self._caller)
        return await self._remove(account, "")

    # ------------------------------------------------------------------ members
    async def enrol(self, account: str, user: str, *, role: str, seed: str | None, settings: Mapping[str, Any]) -> str:
        """Create a member; return its key. Raises ``Conflict`` ``ALREADY_EXISTS`` and ``NotFound``."""
        check_governs(self._caller, account)
        check_user_name(user)
        key = self._key(account, identifier(user, "user"), seed)
        await self._ports.registry.enrol(account, user, role=_role(role), key=key, settings=settings)
        await self._furnish(account, user)
        return key

    async def members(
        self, account: str, *, limit: int, name: str = "", role: str = "", after: str = ""
    ) -> list[Member]:
        """Return members by name, those after ``after``; ``name`` is a glob pattern (``a*``)."""
        await self.account(account)
        wanted = _role(role) if role else None
        fits = compile_glob(name) if name else None
        found: list[Member] = []
        while True:
            page = await self._ports.registry.members(account, limit=MEMBERS_PAGE, after=after)
            found += await self._ports.compute.run(_fitting, page, wanted, fits)
            if len(page) < MEMBERS_PAGE or len(found) >= limit:
                return found[:limit]
            after = page[-1].user

    async def member(self, account: str, user: str) -> Member:
        """Return a member. Raises ``NotFound``."""
        check_governs(self._caller, account)
        found = await self._ports.registry.member(account, user)
        if found is None or not found.key_head:
            raise NotFound(
                f"User not found: {user[:128]}",
                remedy="list the account's users",
                details={"type": "user", "resource": user[:128]},
            )
        return found

    async def remove_member(self, account: str, user: str) -> Removal:
        """Block a member at once and remove its tree in the background. A repeated call returns the same task."""
        await self.member(account, user)
        return await self._remove(account, user)

    async def set_role(self, account: str, user: str, role: str) -> Member:
        """Change a member's role. Raises ``Conflict`` if an account would lose its last admin; root may do that."""
        check_governs(self._caller, account)
        keep = self._caller.role is not Role.ROOT
        await self._ports.registry.set_role(account, user, _role(role), keep_admin=keep)
        return await self.member(account, user)

    async def renew_key(self, account: str, user: str, *, seed: str | None) -> str:
        """Create a new key; the old one is invalid at once."""
        await self.member(account, user)
        key = self._key(account, user, seed)
        await self._ports.registry.set_key(account, user, key)
        return key

    # ------------------------------------------------------------------ settings
    async def set_account(self, account: str, changes: Mapping[str, Any]) -> Account:
        """Replace these settings of an account; None resets one."""
        found = await self.account(account)
        return replace(found, settings=await self._ports.registry.change_settings(account, "", changes))

    async def set_member(self, account: str, user: str, changes: Mapping[str, Any]) -> Member:
        """Replace these settings of a member; None resets one."""
        found = await self.member(account, user)
        settings = await self._ports.registry.change_settings(account, user, changes, keyed=True)
        return replace(found, settings=settings)

    # ------------------------------------------------------------------ steps
    def _key(self, account: str, user: str, seed: str | None) -> str:
        secret = self._ports.clock.token(SECRET_BYTES) if seed is None else derived(seed, account, user)
        return compose(account, user, secret)

    async def _furnish(self, account: str, user: str) -> None:
        """Create the member's directories, as its first write would."""
        directories = (MakeDir(Uri(("resources",)), exist_ok=True), MakeDir(Uri(("user", user)), exist_ok=True))
        await self._ports.ledger.tenant(Caller(account, user)).commit(Commit(directories, cause="enrol"))

    async def _remove(self, account: str, user: str) -> Removal:
        try:
            return Removal(account, user, await begin_deletion(account, user, self._caller, self._ports))
        except Conflict as begun:
            task = begun.details.get("task_id")
            if not isinstance(task, str):
                raise
            return Removal(account, user, task)


def _fitting(members: Sequence[Member], role: Role | None, fits: Callable[[str], object] | None) -> list[Member]:
    return [m for m in members if role in (None, m.role) and (fits is None or fits(m.user))]


def _role(text: str) -> Role:
    if text not in {Role.ADMIN, Role.USER}:
        raise Invalid(f"role {text[:40]!r} is unknown", remedy="user or admin", details={"field": "role"})
    return Role(text)
