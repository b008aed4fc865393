"""What the parts of the ledger share: connections, contents, the clock, and signals between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import apsw

from recalld.adapters.sqlite.database.append_streams import read_content
from recalld.adapters.sqlite.database.readers import Readers, Work
from recalld.adapters.sqlite.database.store import WRITE_MAX_S, Store
from recalld.domain.errors import Conflict, Corrupt
from recalld.domain.node import Node
from recalld.ports.blobs import Blobs
from recalld.ports.clock import Clock
from recalld.ports.maintenance import STORE, DerivedState
from recalld.rules.contents import damaged_file

from .job_endings import JobEndings
from .job_wakeups import JobWakeups

T = TypeVar("T")


class Access:
    """Reads, and in the primary process writes."""

    def __init__(self, readers: Readers, blobs: Blobs, clock: Clock) -> None:
        self.readers = readers
        self.blobs = blobs
        self.clock = clock
        self.wakeups = JobWakeups()
        self.endings = JobEndings()
        self.derived = DerivedState()
        readers.on_damage(lambda: self.derived.suspects.add(STORE))

    @property
    def store(self) -> Store:
        """The writer. Raises ``Conflict`` where the store is only read."""
        if not isinstance(self.readers, Store):
            raise Conflict(
                "this store is open for reading only",
                remedy="write through its primary process",
                code="FAILED_PRECONDITION",
            )
        return self.readers

    async def write(
        self, work: Work[T], *, bulk: bool = False, limit_s: float | None = WRITE_MAX_S, frees: bool = False
    ) -> T:
        """Run ``work`` in the next commit. Raises what ``Store.write`` raises."""
        try:
            return await self.store.write(work, bulk=bulk, limit_s=limit_s, frees=frees)
        except Corrupt:
            self.derived.suspects.add(STORE)
            raise

    async def free(self, work: Work[T]) -> T:
        """Run ``work``, which gives space back, behind interactive commits. On a full disk it may use the space that was set
        aside (``database.reserve``)."""
        return await self.write(work, bulk=True, frees=True)

    async def read(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run ``work`` at one point of the store."""
        return await self.readers.read(work)

    async def scan(self, work: Callable[[apsw.Connection], T]) -> T:
        """The same for maintenance, which has no limit: on a connection that no request waits for."""
        return await self.readers.scan(work, limit_s=None)

    async def bytes_of(self, node: Node, data: bytes | None) -> bytes:
        """A node's bytes, from the blob store where the ledger does not hold them (``data`` None)."""
        if data is not None:
            return data
        try:
            return await self.content(node.hash)
        except Corrupt as lost:
            raise damaged_file(node, lost.message) from lost

    async def content(self, hash_: str) -> bytes:
        """The bytes of a content that the database does not hold whole. Raises ``Corrupt``."""
        return await read_content(hash_, self.readers.read, self.blobs.get)
