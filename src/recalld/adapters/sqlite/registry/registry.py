"""The registry in the store's own file, with a cache of verified keys in memory.

The cache is invalidated by changes that come through here, or by ``forget``. Members that are being removed are never
cached, so the end of their removal invalidates nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import apsw

from recalld.adapters.sqlite.database.readers import Readers
from recalld.adapters.sqlite.database.store import Store
from recalld.domain.caller import Role
from recalld.domain.errors import Conflict, Denied, RecalldError
from recalld.domain.member import Account, Member
from recalld.infra.thread_pool import Pool
from recalld.ports.clock import Clock
from recalld.rules.keys import claim, digest, head

from . import hashing, rows

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")
CACHED_MAX = 4_096
HASHING_RUNNING_MAX = 1
HASHING_WAITING_MAX = 64
"""Slow checks that may be queued: a few seconds' worth. Verified keys and random keys never wait."""


_ABSENT = Member("", "", Role.USER, 0.0)
"""Cached for a user who is not in the registry."""


class _LruCache(Generic[K, V]):
    """A least-recently-used cache of bounded size."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._entries: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value, None if it is not cached."""
        found = self._entries.get(key)
        if found is not None:
            self._entries.move_to_end(key)
        return found

    def put(self, key: K, value: V) -> None:
        """Add an entry; the least recently used one is evicted."""
        self._entries[key] = value
        if len(self._entries) > self._most:
            self._entries.popitem(last=False)

    def drop(self, which: Callable[[K, V], bool]) -> None:
        """Remove the entries for which ``which`` is true."""
        for key in [key for key, value in self._entries.items() if which(key, value)]:
            del self._entries[key]


class SqliteRegistry:
    """See ``ports.registry.Registry``. Over ``Readers`` alone it only reads, and remembers nothing: others change the store."""

    def __init__(self, readers: Readers, clock: Clock) -> None:
        self._readers = readers
        self._clock = clock
        self._pool = Pool("keys", running_max=HASHING_RUNNING_MAX, waiting_max=HASHING_WAITING_MAX)
        most = CACHED_MAX if isinstance(readers, Store) else 0
        self._by_key: _LruCache[bytes, Member] = _LruCache(most)
        self._by_name: _LruCache[tuple[str, str], Member] = _LruCache(most)
        self._generation = 0

    # ------------------------------------------------------------------ identity
    async def identify(self, key: str) -> Member:
        mark = digest(key)
        known = self._by_key.get(mark)
        if known is not None:
            return known
        claimed = claim(key)
        if claimed is None:
            raise wrong_key()
        generation = self._generation
        found = await self._readers.read(lambda c: rows.member(c, claimed.account, claimed.user))
        if found is None:
            raise wrong_key()
        member, stored = found
        slow = hashing.is_slow(stored)
        verified = await self._pool.run(hashing.verify_key, stored, key) if slow else hashing.verify_key(stored, key)
        if verified and hashing.is_outdated(stored):
            await self._replace_hash(member, stored, hashing.hash_random_key(key))
        if generation != self._generation:
            return await self.identify(key)  # the member has changed meanwhile
        if not verified:
            raise wrong_key()
        if not member.deleting:
            self._by_key.put(mark, member)
        return member

    async def _replace_hash(self, member: Member, old: str, new: str) -> None:
        """Store a new hash of the same key. If that fails, the next start tries again."""
        if not isinstance(self._readers, Store):
            return
        failed = False
        try:
            await self._readers.write(lambda c: rows.replace_hash(c, member.account, member.user, old, new))
        except RecalldError:
            failed = True
        finally:
            if not failed:
                self.forget(member.account, member.user)

    async def member(self, account: str, user: str) -> Member | None:
        known = self._by_name.get((account, user))
        if known is not None:
            return None if known is _ABSENT else known
        generation = self._generation
        found = await self._readers.read(lambda c: rows.member(c, account, user))
        member = None if found is None else found[0]
        if generation == self._generation and (member is None or not member.deleting):
            self._by_name.put((account, user), member or _ABSENT)
        return member

    def forget(self, account: str, user: str = "") -> None:
        self._generation += 1
        self._by_key.drop(lambda _, member: member.account == account and user in {"", member.user})
        self._by_name.drop(lambda name, _: name[0] == account and user in {"", name[1]})

    # ------------------------------------------------------------------ reads
    async def members(self, account: str, *, limit: int, after: str = "") -> list[Member]:
        return await self._readers.read(lambda c: rows.members(c, account, limit, after))

    async def account(self, account: str) -> Account | None:
        return await self._readers.read(lambda c: rows.account(c, account))

    async def accounts(self) -> list[Account]:
        return await self._readers.read(rows.accounts)

    # ------------------------------------------------------------------ writes
    async def found(
        self, account: str, admin: str, *, key: str, seeded: bool = False, settings: Mapping[str, Any]
    ) -> None:
        at = self._clock.now()
        new = Member(account, admin, Role.ADMIN, at, head(key), settings=dict(settings))
        stored = await self._hash(key, seeded)

        def work(c: apsw.Connection) -> None:
            rows.add_account(c, account, at)
            rows.add_member(c, new, stored)

        await self._write(account, admin, work)

    async def enrol(
        self, account: str, user: str, *, role: Role, key: str, seeded: bool = False, settings: Mapping[str, Any]
    ) -> None:
        new = Member(account, user, role, self._clock.now(), head(key), settings=dict(settings))
        stored = await self._hash(key, seeded)
        await self._write(account, user, lambda c: rows.add_member(c, new, stored))

    async def set_role(self, account: str, user: str, role: Role, *, keep_admin: bool = False) -> None:
        await self._write(account, user, lambda c: rows.set_role(c, account, user, role, keep_admin=keep_admin))

    async def set_key(self, account: str, user: str, key: str, *, seeded: bool = False) -> None:
        stored, shown = await self._hash(key, seeded), head(key)
        await self._write(
            account, user, lambda c: rows.change_member(c, account, user, key_hash=stored, key_head=shown)
        )

    async def change_settings(
        self, account: str, user: str, changes: Mapping[str, Any], *, within: str = "", keyed: bool = False
    ) -> dict[str, Any]:
        at = self._clock.now()
        return await self._write(
            account,
            user,
            lambda c: rows.change_settings(c, account, user, changes, within=within, keyed=keyed, at=at),
        )

    async def _hash(self, key: str, seeded: bool) -> str:
        return await self._pool.run(hashing.hash_seeded_key, key) if seeded else hashing.hash_random_key(key)

    async def _write(self, account: str, user: str, work: Callable[[apsw.Connection], T]) -> T:
        if not isinstance(self._readers, Store):
            raise Conflict(
                "this store is open for reading only",
                remedy="write through its primary process",
                code="FAILED_PRECONDITION",
            )
        try:
            return await self._readers.write(work)
        finally:
            # Also when the caller has gone meanwhile: the change may have been made all the same.
            self.forget(account, user)

    async def close(self) -> None:
        self._pool.close()


def wrong_key() -> Denied:
    """The same words whatever is wrong with it."""
    return Denied(
        "Invalid API Key", remedy="send a key of this server; an admin can make a new one", code="UNAUTHENTICATED"
    )
