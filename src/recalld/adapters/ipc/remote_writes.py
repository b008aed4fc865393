"""Writes of the worker process, applied by the primary process; what the worker reads it reads itself.

One process writes an embedded store. ``RemoteCommits``, ``RemoteJobs`` and ``RemoteCleanup`` are the worker's end of the
channel; ``handlers`` and ``push_wakeups`` are the primary's. What the primary applies for the worker goes through the bulk
lane, so the writes of requests go first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, Receipt
from recalld.domain.job import Lane, StoredJob, Task
from recalld.infra.ipc import Channel, Method
from recalld.ports.jobs import JobQueue, Settlement
from recalld.ports.ledger import Ledger
from recalld.ports.maintenance import Cleanup

from .commit_codec import PackedCommit, pack, unpack

WAKEUP = "wakeup"
WAKEUP_S = 1.0
COMMIT: Method[Receipt] = Method("commit", (Caller, PackedCommit), Receipt)
CANCEL: Method[Task] = Method("cancel", (Caller, str), Task)
LEASE: Method[list[StoredJob]] = Method("lease", (str, int, float, tuple[Lane, ...]), list[StoredJob])
HEARTBEAT: Method[list[int]] = Method("heartbeat", (str, tuple[int, ...], float), list[int])
SETTLE: Method[None] = Method("settle", (StoredJob, Settlement), type(None))
RELEASE: Method[int] = Method("release", (str, bool), int)
PURGE: Method[int] = Method("purge", (int,), int)
REPARTITION: Method[int] = Method("repartition", (str, int, int), int)
METHODS = (COMMIT, CANCEL, LEASE, HEARTBEAT, SETTLE, RELEASE, PURGE, REPARTITION)


class RemoteCommits:
    """Commits of one caller."""

    def __init__(self, channel: Channel, caller: Caller) -> None:
        self._channel = channel
        self._caller = caller

    async def commit(self, commit: Commit, *, lane: Lane = Lane.BULK) -> Receipt:
        return await self._channel.call(COMMIT, self._caller, pack(commit))

    async def cancel(self, task_id: str) -> Task:
        return await self._channel.call(CANCEL, self._caller, task_id)


class RemoteJobs:
    """The job queue."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._woken = asyncio.Event()
        channel.subscribe(WAKEUP, self._woken.set)

    async def lease(self, *, worker: str, jobs_max: int, lease_s: float, lanes: Sequence[Lane] = ()) -> list[StoredJob]:
        return await self._channel.call(LEASE, worker, jobs_max, lease_s, tuple(lanes))

    async def heartbeat(self, *, worker: str, job_ids: Sequence[int], lease_s: float) -> list[int]:
        return await self._channel.call(HEARTBEAT, worker, tuple(job_ids), lease_s)

    async def settle(self, job: StoredJob, settlement: Settlement) -> None:
        await self._channel.call(SETTLE, job, settlement)

    async def release(self, *, worker: str, counts: bool = True) -> int:
        return await self._channel.call(RELEASE, worker, counts)

    async def wakeups(self) -> AsyncIterator[None]:
        while True:
            yield
            try:
                async with asyncio.timeout(WAKEUP_S):
                    await self._woken.wait()
            except TimeoutError:
                continue
            self._woken.clear()


class RemoteCleanup:
    """Slices of cleanup."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def purge(self, *, nodes_max: int) -> int:
        return await self._channel.call(PURGE, nodes_max)

    async def repartition(self, *, account: str, node_id: int, chunks_max: int) -> int:
        return await self._channel.call(REPARTITION, account, node_id, chunks_max)


def handlers(ledger: Ledger, jobs: JobQueue, cleanup: Cleanup) -> Mapping[Method[Any], Callable[..., Awaitable[Any]]]:
    """What the primary process does for the worker: give this to its end of the ``Channel``."""

    async def commit(caller: Caller, packed: PackedCommit) -> Receipt:
        return await ledger.tenant(caller).commit(await unpack(packed), lane=Lane.BULK)

    return {
        COMMIT: commit,
        CANCEL: lambda caller, task_id: ledger.tenant(caller).cancel(task_id),
        LEASE: lambda worker, jobs_max, lease_s, lanes: jobs.lease(
            worker=worker, jobs_max=jobs_max, lease_s=lease_s, lanes=lanes
        ),
        HEARTBEAT: lambda worker, job_ids, lease_s: jobs.heartbeat(worker=worker, job_ids=job_ids, lease_s=lease_s),
        SETTLE: jobs.settle,
        RELEASE: lambda worker, counts: jobs.release(worker=worker, counts=counts),
        PURGE: lambda nodes_max: cleanup.purge(nodes_max=nodes_max),
        REPARTITION: lambda account, node_id, chunks_max: cleanup.repartition(
            account=account, node_id=node_id, chunks_max=chunks_max
        ),
    }


async def push_wakeups(jobs: JobQueue, channel: Channel) -> None:
    """Notify the worker of every wake-up until cancelled: run it beside ``channel.run``."""
    async for _ in jobs.wakeups():
        await channel.notify(WAKEUP)
