"""The ledger on one SQLite file. The primary process reads and writes; ``SqliteLedger`` over ``Readers`` alone only reads."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import apsw

from recalld.adapters.sqlite.database.append_streams import read_content
from recalld.adapters.sqlite.database.readers import Readers, Work
from recalld.adapters.sqlite.database.schema import SCHEMA_VERSION
from recalld.adapters.sqlite.database.store import WRITE_MAX_S, Store
from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, Receipt
from recalld.domain.document import Tiers
from recalld.domain.errors import Conflict, Corrupt
from recalld.domain.history import LogEntry
from recalld.domain.job import Job, QueueCount, Task
from recalld.domain.node import Entry, Node
from recalld.domain.policy import JobPolicy
from recalld.domain.results import Consistency, VectorCount
from recalld.domain.session import Archive, Message, Session
from recalld.domain.uri import Uri
from recalld.infra.thread_pool import Pool
from recalld.ports.blobs import Blobs
from recalld.ports.clock import Clock
from recalld.ports.ledger import SESSIONS_MAX, ChunkRow, IndexableNode, ProviderUsage, Reader, StaleDir, Tenant, Usage
from recalld.ports.maintenance import STORE, DerivedState
from recalld.rules.contents import damaged_file

from . import (
    apply,
    background_queries,
    freeing,
    index_coverage,
    integrity_check,
    job_leases,
    job_queue,
    llm_tier_queries,
    move_copy,
    retention,
    sessions,
    trash,
    tree_queries,
    vector_coverage,
)
from .indexable import indexable
from .job_endings import JobEndings
from .job_wakeups import JobWakeups
from .read_transaction import SqliteReader
from .transaction import WriteTx

T = TypeVar("T")
BACKFILL_PAGE, LISTED_BY_READERS_MAX = 500, 2_000
FILE_NAME = "recalld.db"


async def open_ledger(
    folder: Path,
    *,
    blobs: Blobs,
    clock: Clock,
    readers: int = 4,
    reserve_bytes: int = 0,
    policies: Mapping[str, JobPolicy] | None = None,
) -> SqliteLedger:
    """Open (and make) the store in a data folder as its primary process. Raises ``Conflict`` if it is open elsewhere or newer."""
    lifecycle = Pool("store", running_max=1, waiting_max=1)
    try:
        store = await lifecycle.run(Store, folder / FILE_NAME, readers=readers, reserve_bytes=reserve_bytes)
    except BaseException:
        lifecycle.close()
        raise
    ledger = SqliteLedger(store, blobs, clock, policies or {}, lifecycle)
    await store.write(background_queries.assign_store_id)
    return ledger


class SqliteLedger:
    """See ``ports.ledger.Ledger``."""

    def __init__(
        self,
        readers: Readers,
        blobs: Blobs,
        clock: Clock,
        policies: Mapping[str, JobPolicy],
        lifecycle: Pool | None = None,
    ) -> None:
        """``lifecycle``: where the store was opened and will be closed; None: the readers are somebody else's."""
        self._readers = readers
        self._lifecycle = lifecycle
        self.blobs = blobs
        self.clock = clock
        self._policies = policies
        self._wakeups = JobWakeups()
        self.endings = JobEndings()
        self.derived = DerivedState()
        readers.on_damage(lambda: self.derived.suspects.add(STORE))

    @property
    def readers(self) -> Readers:
        """The reader connections, for the index beside this ledger."""
        return self._readers

    def tenant(self, caller: Caller, *, bulk: bool = False) -> Tenant:
        """Bind a caller."""
        return SqliteTenant(self, caller, bulk)

    async def write(
        self, work: Work[T], *, bulk: bool = False, limit_s: float | None = WRITE_MAX_S, frees: bool = False
    ) -> T:
        """See ``Store.write``. Raises ``Conflict`` where the store is only read."""
        if not isinstance(self._readers, Store):
            raise Conflict(
                "this store is open for reading only",
                remedy="write through its primary process",
                code="FAILED_PRECONDITION",
            )
        try:
            return await self._readers.write(work, bulk=bulk, limit_s=limit_s, frees=frees)
        except Corrupt:
            self.derived.suspects.add(STORE)
            raise

    async def read(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run ``work`` at one point of the store."""
        return await self._readers.read(work)

    async def scan(self, work: Callable[[apsw.Connection], T]) -> T:
        """The same for maintenance, which has no limit: on a connection that no request waits for."""
        return await self._readers.scan(work, limit_s=None)

    def wake_workers(self, delay_s: float = 0.0) -> None:
        """Notify workers that jobs may be ready; again after a delay, where one becomes ready only then."""
        self._wakeups.notify(delay_s)

    # ------------------------------------------------------------------ jobs
    async def lease(self, *, worker: str, jobs_max: int, lease_s: float, lanes: Sequence[str] = ()) -> list[Job]:
        now = self.clock.now()
        return await freeing.leased(
            self, lambda c: job_leases.lease(c, now, self._policies, worker, jobs_max, lease_s, lanes)
        )

    async def beat(self, *, worker: str, job_ids: Sequence[int], lease_s: float) -> list[int]:
        until = self.clock.now() + lease_s
        return await self.write(lambda c: job_queue.beat(c, worker, job_ids, until), bulk=True)

    async def retry(
        self, job: Job, *, error: str, delay_s: float, permanent: bool = False, counts: bool = True
    ) -> None:
        now, policy = self.clock.now(), self._policies.get(job.kind, JobPolicy())
        await self.write(
            lambda c: job_queue.retry(c, job, policy, error, now, delay_s, permanent=permanent, counts=counts),
            bulk=True,
        )
        self.wake_workers(delay_s)
        self.endings.ended(job.caller)

    async def release(self, *, worker: str, counts: bool = True) -> int:
        now = self.clock.now()
        count = await self.write(lambda c: job_queue.release(c, worker, now, counts=counts), bulk=True)
        self.wake_workers()
        return count

    def wake(self) -> AsyncIterator[None]:
        return self._wakeups.follow()

    async def queues(self) -> list[QueueCount]:
        now = self.clock.now()
        return await self._readers.scan(lambda c: job_queue.counts(c, now))

    # ---------------------------------------------------------------- upkeep
    async def stale_dirs(self, caller: Caller, *, limit: int, entries_max: int) -> list[StaleDir]:
        return await self._readers.read(lambda c: background_queries.stale_dirs(c, caller, limit, entries_max))

    async def node_text(self, caller: Caller, node_id: int) -> tuple[Node, bytes] | None:
        found = await self._readers.read(lambda c: background_queries.node_with_content(c, caller, node_id))
        return None if found is None else (found[0], await self.bytes_of(*found))

    async def bytes_of(self, node: Node, data: bytes | None) -> bytes:
        """A node's bytes, from the blob store where the ledger does not hold them."""
        if data is not None:
            return data
        try:
            return await read_content(node.hash, self._readers.read, self.blobs.get)
        except Corrupt as lost:
            raise damaged_file(node, lost.message) from lost

    async def unwritten(self, caller: Caller, *, by: str, limit: int) -> list[int]:
        return await self._readers.read(lambda c: llm_tier_queries.unwritten(c, caller, by, limit))

    async def tiered(self, caller: Caller, node_id: int, *, entries_max: int) -> StaleDir | None:
        return await self._readers.read(lambda c: background_queries.tiered(c, caller, node_id, entries_max))

    async def cached_tiers(self, key: str) -> Tiers | None:
        return await self._readers.read(lambda c: llm_tier_queries.cached_tiers(c, key))

    async def provider_usage(self, *, since: str, account: str = "", whole: bool = False) -> list[ProviderUsage]:
        return await self._readers.read(lambda c: llm_tier_queries.provider_usage(c, since, account, whole))

    async def unembedded(self, caller: Caller, *, fingerprint: str, limit: int) -> list[ChunkRow]:
        return await index_coverage.unembedded(self._readers.read, self.blobs.get, caller, fingerprint, limit)

    async def want(self, fingerprint: str, width: int) -> None:
        if not await self.write(lambda c: background_queries.set_wanted_model(c, fingerprint, width)):
            return
        while await self.write(lambda c: background_queries.list_unembedded(c, BACKFILL_PAGE), bulk=True):
            pass

    async def partitions(self) -> list[Caller]:
        return await self._readers.read(background_queries.partitions)

    async def idle_sessions(self, *, now: float, limit: int) -> list[tuple[Caller, str]]:
        return await self._readers.scan(lambda c: sessions.idle_sessions(c, now, limit))

    async def purge(self, *, nodes_max: int) -> int:
        return await trash.purge(freeing.Freeing(self), self._readers, nodes_max)

    async def unindexed(self, caller: Caller, uri: Uri, *, after: int, limit: int) -> list[Node]:
        return await self._readers.read(lambda c: background_queries.unindexed(c, caller, uri, after, limit))

    async def repartition(self, *, account: str, node_id: int, chunks_max: int) -> int:
        at, caller = self.clock.now(), Caller(account, "")
        # The subtree is walked by a reader: the writer is given what is left to do, and looks at that alone.
        nodes = await self._readers.read(lambda c: move_copy.to_repartition(c, account, node_id, chunks_max))
        if not nodes:
            return 0
        return await self.write(
            lambda c: move_copy.repartition(WriteTx(c, caller, at, "reown"), nodes, chunks_max), bulk=True
        )

    async def indexable(self, *, after: int, limit: int) -> tuple[list[IndexableNode], int]:
        return await self._readers.scan(lambda c: indexable(c, after, limit))

    async def prune(self, *, keep_s: float) -> int:
        return await retention.prune(freeing.Freeing(self), now=self.clock.now(), keep_s=keep_s)

    async def rewrite_small(self) -> None:
        if isinstance(self._readers, Store):
            await self._readers.rewrite_small()

    # ----------------------------------------------------------------- state
    async def usage(self) -> Usage:
        return await self._readers.scan(lambda c: background_queries.usage(c, self._readers.path, SCHEMA_VERSION))

    async def probe(self) -> float:
        begin, mark = self.clock.monotonic(), secrets.token_hex(8)
        await self.write(lambda c: c.execute("INSERT OR REPLACE INTO meta VALUES ('probe', ?)", (mark,)).fetchall())
        await self._readers.read(lambda c: c.execute("SELECT value FROM meta WHERE key = 'probe'").fetchone())
        return self.clock.monotonic() - begin

    async def check(self, *, repair: bool = False) -> list[str]:
        if repair:
            return await self.write(lambda c: integrity_check.check(c, True), bulk=True, limit_s=None)
        return await self._readers.read_on_new_connection(lambda c: integrity_check.check(c, False))

    async def checkpoint(self) -> None:
        if isinstance(self._readers, Store):
            await self._readers.checkpoint()

    async def close(self) -> None:
        if self._lifecycle is None:
            self._readers.close()
        else:
            lifecycle, self._lifecycle = self._lifecycle, None
            await lifecycle.run(self._readers.close)
            lifecycle.close()


class SqliteTenant:
    """See ``ports.ledger.Tenant``."""

    def __init__(self, ledger: SqliteLedger, caller: Caller, bulk: bool) -> None:
        self.caller = caller
        self._ledger = ledger
        self._bulk = bulk

    async def _read(self, work: Callable[[apsw.Connection], T]) -> T:
        return await self._ledger.readers.read(work)

    async def _read_many(self, most: int, work: Callable[[apsw.Connection], T]) -> T:
        """Read up to so many entries: many of them not beside what is answered at once."""
        return await (self._ledger.readers.scan if most > LISTED_BY_READERS_MAX else self._ledger.readers.read)(work)

    async def stat(self, uri: Uri) -> Node:
        return await self._read(lambda c: tree_queries.stat(c, self.caller, uri))

    async def walk(self, uri: Uri, *, depth_max: int, nodes_max: int, hidden: bool = False) -> list[Entry]:
        return await self._read_many(
            nodes_max, lambda c: tree_queries.walk(c, self.caller, uri, depth_max, nodes_max, hidden)
        )

    async def read(self, uri: Uri) -> bytes:
        return (await self.file(uri))[1]

    async def file(self, uri: Uri) -> tuple[Node, bytes]:
        found = await self._read(lambda c: tree_queries.read(c, self.caller, uri))
        return found[0], await self._ledger.bytes_of(*found)

    async def at_once(self, work: Callable[[Reader], T]) -> T:
        return await self._read(lambda c: work(SqliteReader(c, self.caller)))

    async def tiers(self, uri: Uri) -> Tiers | None:
        return await self._read(lambda c: tree_queries.tiers(c, self.caller, uri))

    async def grep_candidates(
        self, uri: Uri, *, literal: str, fold: bool, depth_max: int, after: int, limit: int
    ) -> list[tuple[Node, bytes]]:
        scan = self._ledger.readers.scan
        page = await index_coverage.candidates(scan, self.caller, uri, literal, fold, depth_max, after, limit)
        return [(node, await self._ledger.bytes_of(node, data) if data is None else data) for node, data in page]

    async def count(self, uri: Uri) -> int:
        return await self._ledger.readers.scan(lambda c: tree_queries.count_entries(c, self.caller, uri))

    async def names(self, uri: Uri, *, nodes_max: int) -> list[Entry]:
        return await self._read_many(nodes_max, lambda c: tree_queries.names(c, self.caller, uri, nodes_max))

    async def size(self, uri: Uri) -> int:
        return await self._ledger.readers.scan(lambda c: tree_queries.size(c, self.caller, uri))

    async def commit(self, commit: Commit) -> Receipt:
        at = self._ledger.clock.now()
        result = await self._ledger.write(
            lambda c: apply.apply(c, self.caller, commit, at), bulk=self._bulk, frees=freeing.frees(commit)
        )
        if commit.done:
            self._ledger.endings.ended(self.caller)
        if result.jobs_changed:
            self._ledger.wake_workers(max((j.delay_s for j in commit.jobs), default=0.0))
        return apply.receipt(result)

    async def session(self, session_id: str) -> Session:
        return await self._read(lambda c: sessions.session(c, self.caller, session_id))

    async def sessions(self, *, limit: int = SESSIONS_MAX, offset: int = 0) -> list[Session]:
        return await self._read(lambda c: sessions.sessions(c, self.caller, limit, offset))

    async def messages(
        self, session_id: str, *, archive: int | None = None, after: int = -1, limit: int = -1, newest: bool = False
    ) -> list[Message]:
        return await self.at_once(
            lambda r: r.messages(session_id, archive=archive, after=after, limit=limit, newest=newest)
        )

    async def message(self, uri: Uri) -> Message:
        return await self._read(lambda c: sessions.message(c, self.caller, uri))

    async def archives(self, session_id: str, *, latest: bool = False) -> list[Archive]:
        return await self.at_once(lambda r: r.archives(session_id, latest=latest))

    async def archive(self, session_id: str, *, number: int = 0, task_id: str = "") -> Archive | None:
        return await self.at_once(lambda r: r.archive(session_id, number=number, task_id=task_id))

    async def failed_archives(self, session_id: str) -> int:
        return await self.at_once(lambda r: r.failed_archives(session_id))

    async def task(self, task_id: str) -> Task:
        return await self._read(lambda c: job_queue.task(c, self.caller, task_id))

    async def tasks(
        self, *, type: str = "", status: str = "", resource_id: str = "", limit: int = 50, offset: int = 0
    ) -> list[Task]:
        return await self._read(lambda c: job_queue.tasks(c, self.caller, type, status, resource_id, limit, offset))

    async def cancel(self, task_id: str) -> Task:
        now = self._ledger.clock.now()
        task = await self._ledger.write(lambda c: job_queue.cancel(c, self.caller, task_id, now))
        self._ledger.endings.ended(self.caller)
        return task

    async def log(self, *, after: int = 0, limit: int = 100) -> list[LogEntry]:
        return await self._read(lambda c: tree_queries.log(c, self.caller, after, limit))

    async def consistency(self, uri: Uri, *, first: int) -> Consistency:
        return await index_coverage.consistency(self._ledger.readers.scan, self.caller, uri, first)

    async def vectors(self) -> VectorCount:
        return await self._read(lambda c: vector_coverage.count(c, self.caller))

    async def pending(self, *, task_id: str = "", due: bool = False) -> int:
        return await self._read(lambda c: job_queue.pending(c, self.caller, task_id, due))

    def endings(self) -> AsyncGenerator[None, None]:
        return self._ledger.endings.of(self.caller)

    # Last, because below it the word list means this method.
    async def list(self, uri: Uri, *, limit: int, hidden: bool = False) -> list[Node]:
        return await self._read_many(limit, lambda c: tree_queries.list_dir(c, self.caller, uri, limit, hidden))
