"""What gives space back: on a full disk it may use the space that was set aside for it (``database.reserve``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import apsw

from recalld.adapters.sqlite.database.sql import fetch_all
from recalld.domain.commit import (
    Anchor,
    Commit,
    DropMember,
    DropWork,
    ForgetEntries,
    MarkLeaving,
    NewTask,
    Remove,
    UpdateTask,
)
from recalld.domain.errors import Upstream, refused_by_disk
from recalld.domain.job import Job
from recalld.ports.blobs import Blobs

T = TypeVar("T")
FREE = (Remove, DropMember, DropWork, ForgetEntries, MarkLeaving)
BESIDE = (Anchor, NewTask, UpdateTask)
"""What may come with them: some bytes."""
KINDS = "'purge', 'leave'"


class Ledger(Protocol):
    """The owner's."""

    blobs: Blobs

    async def read(self, work: Callable[[apsw.Connection], T]) -> T:
        """Read at one point."""
        ...

    async def scan(self, work: Callable[[apsw.Connection], T]) -> T:
        """Read without a time limit."""
        ...

    async def write(self, work: Callable[[apsw.Connection], T], *, bulk: bool = False, frees: bool = False) -> T:
        """Run in the next commit."""
        ...

    async def rewrite_small(self) -> None:
        """Rewrite a small file."""
        ...


class Freeing:
    """A ledger all of whose writes give space back."""

    def __init__(self, ledger: Ledger) -> None:
        self.blobs = ledger.blobs
        self._ledger = ledger

    async def read(self, work: Callable[[apsw.Connection], T]) -> T:
        """Read at one point."""
        return await self._ledger.read(work)

    async def scan(self, work: Callable[[apsw.Connection], T]) -> T:
        """Read without a time limit."""
        return await self._ledger.scan(work)

    async def write(self, work: Callable[[apsw.Connection], T], *, bulk: bool = False) -> T:
        """Run in the next commit."""
        return await self._ledger.write(work, bulk=bulk, frees=True)

    async def rewrite_small(self) -> None:
        """Rewrite a small file."""
        await self._ledger.rewrite_small()


def frees(commit: Commit) -> bool:
    """True for a commit that removes and writes nothing of size."""
    return any(isinstance(op, FREE) for op in commit.ops) and all(isinstance(op, (*FREE, *BESIDE)) for op in commit.ops)


async def leased(ledger: Ledger, work: Callable[[apsw.Connection], list[Job]]) -> list[Job]:
    """A lease; on a full disk with what was set aside if work waits that gives space back."""
    try:
        return await ledger.write(work, bulk=True)
    except Upstream as full:
        if not refused_by_disk(full) or not await ledger.read(_waits):
            raise
    return await ledger.write(work, bulk=True, frees=True)


def _waits(c: apsw.Connection) -> bool:
    return bool(fetch_all(c, f"SELECT 1 FROM job WHERE state = 'pending' AND kind IN ({KINDS}) LIMIT 1"))
