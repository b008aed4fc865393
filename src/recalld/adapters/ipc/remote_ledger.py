"""The ledger as the worker process sees it: it reads the store itself, and sends writes to the primary process.

One process writes an embedded store. ``RemoteLedger`` is the worker's end of the link, ``handlers`` and ``push_wakes``
are the owner's. What the owner applies for the worker goes through the bulk lane, so captures go first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, Receipt
from recalld.domain.document import Tiers
from recalld.domain.history import LogEntry
from recalld.domain.job import Job, QueueCount, Task
from recalld.domain.node import Entry, Node
from recalld.domain.results import Consistency, VectorCount
from recalld.domain.session import Archive, Message, Session
from recalld.domain.uri import Uri
from recalld.infra.ipc import Channel, Method
from recalld.ports.ledger import (
    SESSIONS_MAX,
    ChunkRow,
    IndexableNode,
    Ledger,
    ProviderUsage,
    Reader,
    StaleDir,
    Tenant,
    Usage,
)

from .commit_codec import PackedCommit, pack, unpack

T = TypeVar("T")
WAKE = "wake"
WAKE_S = 1.0
COMMIT: Method[Receipt] = Method("commit", (Caller, PackedCommit), Receipt)
CANCEL: Method[Task] = Method("cancel", (Caller, str), Task)
LEASE: Method[list[Job]] = Method("lease", (str, int, float, tuple[str, ...]), list[Job])
BEAT: Method[list[int]] = Method("beat", (str, tuple[int, ...], float), list[int])
RETRY: Method[None] = Method("retry", (Job, str, float, bool, bool), type(None))
RELEASE: Method[int] = Method("release", (str, bool), int)
PURGE: Method[int] = Method("purge", (int,), int)
WANT: Method[None] = Method("want", (str, int), type(None))
REOWN: Method[int] = Method("reown", (str, int, int), int)
PRUNE: Method[int] = Method("prune", (float,), int)
PROBE: Method[float] = Method("probe", (), float)
CHECK: Method[list[str]] = Method("check", (bool,), list[str])
CHECKPOINT: Method[None] = Method("checkpoint", (), type(None))


class RemoteLedger:
    """The worker's ledger. ``reader``: the same store opened for reading."""

    def __init__(self, channel: Channel, reader: Ledger) -> None:
        self._channel = channel
        self._reader = reader
        self._woken = asyncio.Event()
        channel.subscribe(WAKE, self._woken.set)

    def tenant(self, caller: Caller, *, bulk: bool = True) -> Tenant:
        """Bind a caller. Every commit of a worker is bulk."""
        return _RemoteTenant(caller, self._channel, self._reader.tenant(caller))

    async def lease(self, *, worker: str, jobs_max: int, lease_s: float, lanes: Sequence[str] = ()) -> list[Job]:
        return await self._channel.call(LEASE, worker, jobs_max, lease_s, tuple(lanes))

    async def beat(self, *, worker: str, job_ids: Sequence[int], lease_s: float) -> list[int]:
        return await self._channel.call(BEAT, worker, tuple(job_ids), lease_s)

    async def retry(
        self, job: Job, *, error: str, delay_s: float, permanent: bool = False, counts: bool = True
    ) -> None:
        await self._channel.call(RETRY, job, error, delay_s, permanent, counts)

    async def release(self, *, worker: str, counts: bool = True) -> int:
        return await self._channel.call(RELEASE, worker, counts)

    async def wake(self) -> AsyncIterator[None]:
        while True:
            yield
            try:
                async with asyncio.timeout(WAKE_S):
                    await self._woken.wait()
            except TimeoutError:
                continue
            self._woken.clear()

    async def purge(self, *, nodes_max: int) -> int:
        return await self._channel.call(PURGE, nodes_max)

    async def want(self, fingerprint: str, width: int) -> None:
        await self._channel.call(WANT, fingerprint, width)

    async def repartition(self, *, account: str, node_id: int, chunks_max: int) -> int:
        return await self._channel.call(REOWN, account, node_id, chunks_max)

    async def prune(self, *, keep_s: float) -> int:
        return await self._channel.call(PRUNE, keep_s)

    async def partitions(self) -> list[Caller]:
        return await self._reader.partitions()

    async def probe(self) -> float:
        return await self._channel.call(PROBE)

    async def check(self, *, repair: bool = False) -> list[str]:
        return await self._channel.call(CHECK, repair)

    async def checkpoint(self) -> None:
        await self._channel.call(CHECKPOINT)

    async def queues(self) -> list[QueueCount]:
        return await self._reader.queues()

    async def stale_dirs(self, caller: Caller, *, limit: int, entries_max: int) -> list[StaleDir]:
        return await self._reader.stale_dirs(caller, limit=limit, entries_max=entries_max)

    async def node_text(self, caller: Caller, node_id: int) -> tuple[Node, bytes] | None:
        return await self._reader.node_text(caller, node_id)

    async def unwritten(self, caller: Caller, *, by: str, limit: int) -> list[int]:
        return await self._reader.unwritten(caller, by=by, limit=limit)

    async def tiered(self, caller: Caller, node_id: int, *, entries_max: int) -> StaleDir | None:
        return await self._reader.tiered(caller, node_id, entries_max=entries_max)

    async def cached_tiers(self, key: str) -> Tiers | None:
        return await self._reader.cached_tiers(key)

    async def unindexed(self, caller: Caller, uri: Uri, *, after: int, limit: int) -> list[Node]:
        return await self._reader.unindexed(caller, uri, after=after, limit=limit)

    async def indexable(self, *, after: int, limit: int) -> tuple[list[IndexableNode], int]:
        return await self._reader.indexable(after=after, limit=limit)

    async def provider_usage(self, *, since: str, account: str = "", whole: bool = False) -> list[ProviderUsage]:
        return await self._reader.provider_usage(since=since, account=account, whole=whole)

    async def unembedded(self, caller: Caller, *, fingerprint: str, limit: int) -> list[ChunkRow]:
        return await self._reader.unembedded(caller, fingerprint=fingerprint, limit=limit)

    async def idle_sessions(self, *, now: float, limit: int) -> list[tuple[Caller, str]]:
        return await self._reader.idle_sessions(now=now, limit=limit)

    async def usage(self) -> Usage:
        return await self._reader.usage()

    async def close(self) -> None:
        """Close our reading end and hang up; the store itself is the owner's."""
        self._channel.close()
        await self._reader.close()


class _RemoteTenant:
    """Reads here, commits there."""

    def __init__(self, caller: Caller, channel: Channel, reader: Tenant) -> None:
        self.caller = caller
        self._channel = channel
        self._reader = reader

    async def commit(self, commit: Commit) -> Receipt:
        return await self._channel.call(COMMIT, self.caller, pack(commit))

    async def cancel(self, task_id: str) -> Task:
        return await self._channel.call(CANCEL, self.caller, task_id)

    async def stat(self, uri: Uri) -> Node:
        return await self._reader.stat(uri)

    async def walk(self, uri: Uri, *, depth_max: int, nodes_max: int, hidden: bool = False) -> list[Entry]:
        return await self._reader.walk(uri, depth_max=depth_max, nodes_max=nodes_max, hidden=hidden)

    async def read(self, uri: Uri) -> bytes:
        return await self._reader.read(uri)

    async def file(self, uri: Uri) -> tuple[Node, bytes]:
        return await self._reader.file(uri)

    async def at_once(self, work: Callable[[Reader], T]) -> T:
        return await self._reader.at_once(work)

    async def tiers(self, uri: Uri) -> Tiers | None:
        return await self._reader.tiers(uri)

    async def grep_candidates(
        self, uri: Uri, *, literal: str, fold: bool, depth_max: int, after: int, limit: int
    ) -> list[tuple[Node, bytes]]:
        return await self._reader.grep_candidates(
            uri, literal=literal, fold=fold, depth_max=depth_max, after=after, limit=limit
        )

    async def count(self, uri: Uri) -> int:
        return await self._reader.count(uri)

    async def names(self, uri: Uri, *, nodes_max: int) -> list[Entry]:
        return await self._reader.names(uri, nodes_max=nodes_max)

    async def size(self, uri: Uri) -> int:
        return await self._reader.size(uri)

    async def session(self, session_id: str) -> Session:
        return await self._reader.session(session_id)

    async def sessions(self, *, limit: int = SESSIONS_MAX, offset: int = 0) -> list[Session]:
        return await self._reader.sessions(limit=limit, offset=offset)

    async def messages(
        self, session_id: str, *, archive: int | None = None, after: int = -1, limit: int = -1, newest: bool = False
    ) -> list[Message]:
        return await self._reader.messages(session_id, archive=archive, after=after, limit=limit, newest=newest)

    async def message(self, uri: Uri) -> Message:
        return await self._reader.message(uri)

    async def archives(self, session_id: str, *, latest: bool = False) -> list[Archive]:
        return await self._reader.archives(session_id, latest=latest)

    async def archive(self, session_id: str, *, number: int = 0, task_id: str = "") -> Archive | None:
        return await self._reader.archive(session_id, number=number, task_id=task_id)

    async def failed_archives(self, session_id: str) -> int:
        return await self._reader.failed_archives(session_id)

    async def task(self, task_id: str) -> Task:
        return await self._reader.task(task_id)

    async def tasks(
        self, *, type: str = "", status: str = "", resource_id: str = "", limit: int = 50, offset: int = 0
    ) -> list[Task]:
        return await self._reader.tasks(type=type, status=status, resource_id=resource_id, limit=limit, offset=offset)

    async def log(self, *, after: int = 0, limit: int = 100) -> list[LogEntry]:
        return await self._reader.log(after=after, limit=limit)

    async def consistency(self, uri: Uri, *, first: int) -> Consistency:
        return await self._reader.consistency(uri, first=first)

    async def vectors(self) -> VectorCount:
        return await self._reader.vectors()

    async def pending(self, *, task_id: str = "", due: bool = False) -> int:
        return await self._reader.pending(task_id=task_id, due=due)

    def endings(self) -> AsyncGenerator[None, None]:
        return self._reader.endings()

    # Last, because below it the word list means this method.
    async def list(self, uri: Uri, *, limit: int, hidden: bool = False) -> list[Node]:
        return await self._reader.list(uri, limit=limit, hidden=hidden)


def handlers(ledger: Ledger) -> Mapping[Method[Any], Callable[..., Awaitable[Any]]]:
    """What the owner does for the worker: give this to its end of the ``Channel``."""

    async def commit(caller: Caller, packed: PackedCommit) -> Receipt:
        return await ledger.tenant(caller, bulk=True).commit(await unpack(packed))

    async def cancel(caller: Caller, task_id: str) -> Task:
        return await ledger.tenant(caller, bulk=True).cancel(task_id)

    async def lease(worker: str, jobs_max: int, lease_s: float, lanes: tuple[str, ...]) -> list[Job]:
        return await ledger.lease(worker=worker, jobs_max=jobs_max, lease_s=lease_s, lanes=lanes)

    async def beat(worker: str, job_ids: tuple[int, ...], lease_s: float) -> list[int]:
        return await ledger.beat(worker=worker, job_ids=job_ids, lease_s=lease_s)

    async def retry(job: Job, error: str, delay_s: float, permanent: bool, counts: bool) -> None:
        await ledger.retry(job, error=error, delay_s=delay_s, permanent=permanent, counts=counts)

    async def release(worker: str, counts: bool) -> int:
        return await ledger.release(worker=worker, counts=counts)

    async def purge(nodes_max: int) -> int:
        return await ledger.purge(nodes_max=nodes_max)

    async def repartition(account: str, node_id: int, chunks_max: int) -> int:
        return await ledger.repartition(account=account, node_id=node_id, chunks_max=chunks_max)

    async def prune(keep_s: float) -> int:
        return await ledger.prune(keep_s=keep_s)

    async def check(repair: bool) -> list[str]:
        return await ledger.check(repair=repair)

    return {
        COMMIT: commit,
        CANCEL: cancel,
        LEASE: lease,
        BEAT: beat,
        RETRY: retry,
        RELEASE: release,
        PURGE: purge,
        PRUNE: prune,
        WANT: ledger.want,
        REOWN: repartition,
        PROBE: ledger.probe,
        CHECK: check,
        CHECKPOINT: ledger.checkpoint,
    }


async def push_wakes(ledger: Ledger, channel: Channel) -> None:
    """Tell the worker of every wake until cancelled: run it beside ``channel.run``."""
    async for _ in ledger.wake():
        await channel.notify(WAKE)
