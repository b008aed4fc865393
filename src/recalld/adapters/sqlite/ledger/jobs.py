"""The job queue of the primary process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from recalld.domain.job import Lane, StoredJob
from recalld.domain.policy import JobPolicy
from recalld.ports.jobs import Outcome, Settlement

from . import freeing, job_leases, job_queue
from .access import Access


class SqliteJobs:
    """``policies``: by kind of job."""

    def __init__(self, access: Access, policies: Mapping[str, JobPolicy]) -> None:
        self._access = access
        self._policies = policies

    async def lease(self, *, worker: str, jobs_max: int, lease_s: float, lanes: Sequence[Lane] = ()) -> list[StoredJob]:
        now = self._access.clock.now()
        return await freeing.leased(
            self._access, lambda c: job_leases.lease(c, now, self._policies, worker, jobs_max, lease_s, lanes)
        )

    async def heartbeat(self, *, worker: str, job_ids: Sequence[int], lease_s: float) -> list[int]:
        until = self._access.clock.now() + lease_s
        return await self._access.write(lambda c: job_queue.heartbeat(c, worker, job_ids, until), bulk=True)

    async def settle(self, job: StoredJob, settlement: Settlement) -> None:
        now, attempts_max = self._access.clock.now(), self._policies.get(job.kind, JobPolicy()).attempts_max
        # A wait for the disk that the disk refuses would count as an attempt when its lease runs out.
        frees = settlement.outcome is Outcome.WAIT
        await self._access.write(
            lambda c: job_queue.settle(c, job, settlement, attempts_max, now), bulk=True, frees=frees
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
