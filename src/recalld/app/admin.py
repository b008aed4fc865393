"""Administration of accounts, users, keys and settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from recalld.domain.caller import Caller, Role, identifier
from recalld.domain.commit import Commit, MakeDir
from recalld.domain.errors import Conflict, Invalid, NotFound
from recalld.domain.member import Account, Member
from recalld.domain.uri import Uri
from recalld.rules.glob import compile_glob
from recalld.rules.keys import compose, derived
from recalld.rules.roles import check_governs, check_root, check_user_name
from recalld.usecases.members.delete_member import begin_deletion

from .operations import Operations

MEMBERS_PAGE = 10_000
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Deletion:
    """A deletion that has begun, and the task that completes it."""

    account: str
    user: str
    task_id: str


class AdminOperations(Operations):
    """What root may do in every account, and admins in their own. All raise ``Denied`` for other callers."""

    # ------------------------------------------------------------------ accounts
    async def create_account(self, account: str, admin: str, *, seed: str | None, settings: Mapping[str, Any]) -> str:
        """Create an account and its first admin, and return the admin's key. The key is not stored and cannot be shown again.

        Raises ``Conflict`` (``ALREADY_EXISTS``).
        """
        check_root(self.caller)
        identifier(account, "account")
        check_user_name(admin)
        key = self._key(account, identifier(admin, "user"), seed)
        await self._ports.registry.found(account, admin, key=key, seeded=seed is not None, settings=settings)
        await self._create_dirs(account, admin)
        return key

    async def accounts(self) -> list[Account]:
        """Return all accounts, by name.

        Raises ``Denied`` without the role root.
        """
        check_root(self.caller)
        return await self._ports.registry.accounts()

    async def account(self, account: str) -> Account:
        """Return one account.

        Raises ``NotFound``.
        """
        check_governs(self.caller, account)
        found = await self._ports.registry.account(account)
        if found is None:
            raise NotFound(
                f"Account not found: {account[:128]}",
                remedy="list the existing accounts",
                details={"type": "account", "resource": account[:128]},
            )
        return found

    async def delete_account(self, account: str) -> Deletion:
        """Delete an account. Its keys stop working at once; a background task removes the rest.

        Raises ``NotFound``.
        """
        check_root(self.caller)
        return await self._delete(account, "")

    # ------------------------------------------------------------------ members
    async def create_user(
        self, account: str, user: str, *, role: str, seed: str | None, settings: Mapping[str, Any]
    ) -> str:
        """Create a user and return its key. The key is not stored and cannot be shown again.

        Raises ``Conflict`` (``ALREADY_EXISTS``) and ``NotFound``.
        """
        check_governs(self.caller, account)
        check_user_name(user)
        key = self._key(account, identifier(user, "user"), seed)
        await self._ports.registry.enrol(
            account, user, role=_role(role), key=key, seeded=seed is not None, settings=settings
        )
        await self._create_dirs(account, user)
        return key

    async def users(self, account: str, *, limit: int, name: str = "", role: str = "", after: str = "") -> list[Member]:
        """Return the users of an account by name, those after ``after``. ``name`` is a glob pattern (``a*``).

        Raises ``NotFound``.
        """
        await self.account(account)
        required = _role(role) if role else None
        matches = compile_glob(name) if name else None
        found: list[Member] = []
        while True:
            page = await self._ports.registry.members(account, limit=MEMBERS_PAGE, after=after)
            found += await self._ports.compute.run(_matching, page, required, matches)
            if len(page) < MEMBERS_PAGE or len(found) >= limit:
                return found[:limit]
            after = page[-1].user

    async def user(self, account: str, user: str) -> Member:
        """Return one user.

        Raises ``NotFound``.
        """
        check_governs(self.caller, account)
        found = await self._ports.registry.member(account, user)
        if found is None or not found.key_head:
            raise NotFound(
                f"User not found: {user[:128]}",
                remedy="list the account's users",
                details={"type": "user", "resource": user[:128]},
            )
        return found

    async def delete_user(self, account: str, user: str) -> Deletion:
        """Delete a user. Its key stops working at once; a background task removes its tree. A repeated call names the same task.

        Raises ``NotFound``.
        """
        await self.user(account, user)
        return await self._delete(account, user)

    async def set_role(self, account: str, user: str, role: str) -> Member:
        """Give a user another role.

        Raises ``NotFound``, and ``Conflict`` if the account would have no admin left (root may do that).
        """
        check_governs(self.caller, account)
        keep = self.caller.role is not Role.ROOT
        await self._ports.registry.set_role(account, user, _role(role), keep_admin=keep)
        return await self.user(account, user)

    async def renew_key(self, account: str, user: str, *, seed: str | None) -> str:
        """Give a user a new key and return it. The old key stops working.

        Raises ``NotFound``.
        """
        await self.user(account, user)
        key = self._key(account, user, seed)
        await self._ports.registry.set_key(account, user, key, seeded=seed is not None)
        return key

    # ------------------------------------------------------------------ settings
    async def set_account_settings(self, account: str, changes: Mapping[str, Any]) -> Account:
        """Replace these settings of an account. None removes a setting.

        Raises ``NotFound``.
        """
        found = await self.account(account)
        return replace(found, settings=await self._ports.registry.change_settings(account, "", changes))

    async def set_user_settings(self, account: str, user: str, changes: Mapping[str, Any]) -> Member:
        """Replace these settings of a user. None removes a setting.

        Raises ``NotFound``.
        """
        found = await self.user(account, user)
        settings = await self._ports.registry.change_settings(account, user, changes, keyed=True)
        return replace(found, settings=settings)

    # ------------------------------------------------------------------ steps
    def _key(self, account: str, user: str, seed: str | None) -> str:
        secret = self._ports.clock.token(SECRET_BYTES) if seed is None else derived(seed, account, user)
        return compose(account, user, secret)

    async def _create_dirs(self, account: str, user: str) -> None:
        """Create the user's directories, as its first write would."""
        dirs = (MakeDir(Uri(("resources",)), exist_ok=True), MakeDir(Uri(("user", user)), exist_ok=True))
        await self._ports.ledger.tenant(Caller(account, user)).commit(Commit(dirs, cause="enrol"))

    async def _delete(self, account: str, user: str) -> Deletion:
        try:
            return Deletion(account, user, await begin_deletion(account, user, self.caller, self._ports))
        except Conflict as begun:
            task = begun.details.get("task_id")
            if not isinstance(task, str):
                raise
            return Deletion(account, user, task)


def _matching(members: Sequence[Member], role: Role | None, matches: Callable[[str], object] | None) -> list[Member]:
    return [m for m in members if role in (None, m.role) and (matches is None or matches(m.user))]


def _role(text: str) -> Role:
    if text not in {Role.ADMIN, Role.USER}:
        raise Invalid(f"role {text[:40]!r} is unknown", remedy="user or admin", details={"field": "role"})
    return Role(text)
