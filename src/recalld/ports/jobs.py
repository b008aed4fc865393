"""The job queue, as workers use it. Jobs are enqueued by commits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from recalld.domain.job import Lane, StoredJob


class Outcome(StrEnum):
    """RETRY: run again, or dead once out of attempts. WAIT: run again; it counts as no attempt. DEAD: never run again."""

    RETRY = "retry"
    WAIT = "wait"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Settlement:
    """What becomes of a job that has failed. ``delay_s``: it is not run again before."""

    outcome: Outcome
    error: str
    delay_s: float = 0.0


class JobQueue(Protocol):
    """Jobs of all callers. A leased job is its worker's until the lease ends."""

    async def lease(self, *, worker: str, jobs_max: int, lease_s: float, lanes: Sequence[Lane] = ()) -> list[StoredJob]:
        """Take jobs that may run now: interactive lane first, then fairly by user, oldest first; never two jobs of one
        key at once, and at most one of the background lane. Counts the attempt. A job beyond its attempt ceiling is
        declared dead instead. ``lanes``: only these (() = all)."""

    async def heartbeat(self, *, worker: str, job_ids: Sequence[int], lease_s: float) -> list[int]:
        """Renew leases; returns the ids still leased (the others were cancelled or lost)."""

    async def settle(self, job: StoredJob, settlement: Settlement) -> None:
        """End the lease of a job that has failed. The task of a dead job fails with the same error."""

    async def release(self, *, worker: str, counts: bool = True) -> int:
        """Return every lease this worker holds; returns how many. ``counts`` False: it was stopped and did not die of them,
        so they count as no attempts."""

    def wakeups(self) -> AsyncIterator[None]:
        """Yields at once, then when jobs may have become ready, and at least every second."""
