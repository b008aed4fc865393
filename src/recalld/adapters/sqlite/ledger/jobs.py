"""Ports of the whole store: the job queue, the backlog, statistics and cleanup."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial

from recalld.domain.caller import Caller
from recalld.domain.document import Tiers
from recalld.domain.errors import Upstream, refused_by_disk
from recalld.domain.job import Lane, QueueCount, StoredJob
from recalld.domain.node import Node
from recalld.domain.policy import JobPolicy
from recalld.domain.results import Progress
from recalld.domain.uri import Uri
from recalld.ports.jobs import Outcome, Settlement
from recalld.ports.maintenance import ChunkRow, IndexableNode, ProviderUsage, StaleDir, Usage

from . import (
    background_queries,
    index_coverage,
    job_leases,
    job_queue,
    llm_tier_queries,
    move_copy,
    sessions,
    trash,
)
from .access import Access
from .indexable import derivation, indexable, outdated, outdated_count
from .transaction import WriteTx


class _Part:
    def __init__(self, access: Access) -> None:
        self._access = access


class SqliteBacklog(_Part):
    """Reads only."""

    async def partitions(self) -> list[Caller]:
        return await self._access.read(background_queries.partitions)

    async def stale_dirs(self, caller: Caller, *, limit: int, entries_max: int) -> list[StaleDir]:
        return await self._access.read(lambda c: background_queries.stale_dirs(c, caller, limit, entries_max))

    async def unwritten(self, caller: Caller, *, by: str, limit: int) -> list[int]:
        return await self._access.read(lambda c: llm_tier_queries.unwritten(c, caller, by, limit))

    async def tiered(self, caller: Caller, node_id: int, *, entries_max: int) -> StaleDir | None:
        return await self._access.read(lambda c: background_queries.tiered(c, caller, node_id, entries_max))

    async def node_text(self, caller: Caller, node_id: int) -> tuple[Node, bytes] | None:
        found = await self._access.read(lambda c: background_queries.node_with_content(c, caller, node_id))
        return None if found is None else (found[0], await self._access.bytes_of(*found))

    async def cached_tiers(self, key: str) -> Tiers | None:
        return await self._access.read(lambda c: llm_tier_queries.cached_tiers(c, key))

    async def unembedded(self, caller: Caller, *, fingerprint: str, limit: int) -> list[ChunkRow]:
        access = self._access
        return await index_coverage.unembedded(access.read, access.blobs.get, caller, fingerprint, limit)

    async def unembedded_partitions(self) -> list[Caller]:
        return await self._access.read(background_queries.unembedded_partitions)

    async def has_other_work(self) -> bool:
        return await self._access.read(job_queue.has_other_work)

    async def unindexed(self, caller: Caller, uri: Uri, *, after: int, limit: int) -> list[Node]:
        return await self._access.read(lambda c: background_queries.unindexed(c, caller, uri, after, limit))

    async def outdated(self, *, directories: bool, after: int, limit: int) -> tuple[list[IndexableNode], int]:
        return await self._access.readers.scan(lambda c: outdated(c, directories, after, limit))

    async def indexable(self, *, after: int, limit: int) -> tuple[list[IndexableNode], int]:
        return await self._access.readers.scan(lambda c: indexable(c, after, limit))

    async def idle_sessions(self, *, now: float, limit: int) -> list[tuple[Caller, str]]:
        return await self._access.readers.scan(lambda c: sessions.idle_sessions(c, now, limit))


class SqliteStats(_Part):
    """Reads only."""

    async def usage(self) -> Usage:
        readers = self._access.readers
        return await readers.scan(lambda c: background_queries.usage(c, readers.path))

    async def outdated_count(self) -> int:
        return await self._access.readers.scan(outdated_count)

    async def derivation(self) -> Progress | None:
        return await self._access.readers.scan(derivation)

    async def queues(self) -> list[QueueCount]:
        now = self._access.clock.now()
        return await self._access.readers.scan(lambda c: job_queue.counts(c, now))

    async def provider_usage(self, *, since: str, account: str = "", whole: bool = False) -> list[ProviderUsage]:
        return await self._access.read(lambda c: llm_tier_queries.provider_usage(c, since, account, whole))


class SqliteCleanup(_Part):
    """What is to do is looked up by a reader: the writer looks at that alone."""

    async def purge(self, *, nodes_max: int) -> int:
        return await trash.purge(self._access, nodes_max)

    async def repartition(self, *, account: str, node_id: int, chunks_max: int) -> int:
        at, caller = self._access.clock.now(), Caller(account, "")
        nodes = await self._access.read(lambda c: move_copy.to_repartition(c, account, node_id, chunks_max))
        if not nodes:
            return 0
        return await self._access.write(
            lambda c: move_copy.repartition(WriteTx(c, caller, at, "reown"), nodes, chunks_max), bulk=True
        )


class SqliteJobs:
    """``policies``: by kind of job."""

    def __init__(self, access: Access, policies: Mapping[str, JobPolicy]) -> None:
        self._access = access
        self._policies = policies

    async def lease(self, *, worker: str, jobs_max: int, lease_s: float, lanes: Sequence[Lane] = ()) -> list[StoredJob]:
        now = self._access.clock.now()
        work = partial(
            job_leases.lease,
            now=now,
            policies=self._policies,
            worker=worker,
            jobs_max=jobs_max,
            lease_s=lease_s,
            lanes=lanes,
        )
        try:
            return await self._access.write(work, bulk=True)
        except Upstream as full:
            if not refused_by_disk(full) or not await self._access.read(job_queue.cleanup_waits):
                raise
        return await self._access.free(work)

    async def heartbeat(self, *, worker: str, job_ids: Sequence[int], lease_s: float) -> list[int]:
        until = self._access.clock.now() + lease_s
        return await self._access.write(lambda c: job_queue.heartbeat(c, worker, job_ids, until), bulk=True)

    async def settle(self, job: StoredJob, settlement: Settlement) -> None:
        now, attempts_max = self._access.clock.now(), self._policies.get(job.kind, JobPolicy()).attempts_max
        # A wait for the disk that the disk refuses would count as an attempt when its lease runs out.
        await self._access.write(
            lambda c: job_queue.settle(c, job, settlement, attempts_max, now),
            bulk=True,
            frees=settlement.outcome is Outcome.WAIT,
        )
        self._access.wakeups.notify(settlement.delay_s)
        self._access.endings.ended(job.caller)

    async def release(self, *, worker: str, counts: bool = True) -> int:
        now = self._access.clock.now()
        count = await self._access.write(lambda c: job_queue.release(c, worker, now, counts=counts), bulk=True)
        self._access.wakeups.notify()
        return count

    def wakeups(self) -> AsyncIterator[None]:
        return self._access.wakeups.follow()
