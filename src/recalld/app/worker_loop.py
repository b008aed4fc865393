"""The worker's loop: lease, run, heartbeat, settle. The same in an embedded engine and in a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from recalld.domain.errors import (
    Busy,
    Closed,
    Conflict,
    Corrupt,
    Denied,
    Invalid,
    NotFound,
    RecalldError,
    Upstream,
    refused_by_disk,
)
from recalld.domain.job import Lane, StoredJob
from recalld.domain.policy import JobPolicy
from recalld.infra.logs import get_logger
from recalld.ports.bundle import Ports
from recalld.ports.jobs import Outcome, Settlement

from .job_registry import KINDS

PERMANENT = (Invalid, Denied, NotFound, Corrupt)
WAIT_S_MIN, WAIT_S_MAX = 1.0, 86_400.0
DISK_WAIT_S = 30.0
GIVE_BACK_S = 2.0
log = get_logger("recalld.worker")


async def work(ports: Ports, *, name: str, lease_s: float, jobs_max: int = 2, waiting_max: int = 2) -> None:
    """Run jobs until cancelled; running jobs are then released without losing an attempt.

    At most ``jobs_max`` bulk jobs run at once, ``waiting_max`` interactive ones, which mostly wait for a model, and one background
    job, which is leased only while a bulk job could be.
    """
    try:
        await _work(ports, name, lease_s, {Lane.BULK: jobs_max, Lane.INTERACTIVE: waiting_max})
    except asyncio.CancelledError:
        await _give_all_back(ports, name)
        raise


async def _give_all_back(ports: Ports, name: str) -> None:
    try:
        async with asyncio.timeout(GIVE_BACK_S):
            await ports.jobs.release(worker=name, counts=False)
    except (Busy, Closed, Upstream, TimeoutError) as refused:
        # The server releases the leases of the worker it stops; otherwise they expire.
        log.info("jobs not released", error=str(refused))


async def _work(ports: Ports, name: str, lease_s: float, most: Mapping[Lane, int]) -> None:
    wakeups = ports.jobs.wakeups()
    async with asyncio.TaskGroup() as group:
        running: dict[int, asyncio.Task[None]] = {}
        lanes: dict[int, Lane] = {}
        group.create_task(_heartbeat(ports, name, lease_s, running))
        async for _ in wakeups:
            for job_id in [i for i, t in running.items() if t.done()]:
                del running[job_id]
                lanes.pop(job_id, None)
            for lane in (Lane.INTERACTIVE, Lane.BULK):
                free = most[lane] - sum(held is lane for held in lanes.values())
                with_background = lane is Lane.BULK and Lane.BACKGROUND not in lanes.values()
                wanted = (lane, Lane.BACKGROUND) if with_background else (lane,)
                for job in await _lease(ports, name, free, lease_s, wanted) if free > 0 else ():
                    lanes[job.id] = job.lane
                    running[job.id] = group.create_task(run_job(job, ports))


async def _lease(ports: Ports, name: str, free: int, lease_s: float, lanes: tuple[Lane, ...]) -> list[StoredJob]:
    try:
        return await ports.jobs.lease(worker=name, jobs_max=free, lease_s=lease_s, lanes=lanes)
    except (Busy, Upstream) as late:
        # A saturated writer or a full disk: the next wake-up tries again, running jobs continue.
        log.info("lease failed", error=str(late))
        return []


async def _heartbeat(ports: Ports, name: str, lease_s: float, running: dict[int, asyncio.Task[None]]) -> None:
    """Renew leases at a third of their length; a job whose lease is lost (cancelled, leased elsewhere) is stopped."""
    while True:
        await ports.clock.sleep(lease_s / 3)
        ids = [i for i, t in running.items() if not t.done()]
        if not ids:
            continue
        try:
            held = set(await ports.jobs.heartbeat(worker=name, job_ids=ids, lease_s=lease_s))
        except (Busy, Upstream) as late:
            # Leases outlast two missed heartbeats; if one expires, the commit of its job is refused.
            log.info("heartbeat failed", error=str(late))
            continue
        for job_id in ids:
            if job_id not in held and job_id in running:  # otherwise it ended during this call
                running[job_id].cancel()


async def run_job(job: StoredJob, ports: Ports) -> None:
    """Run one job within its time limit. Any exception is settled in the ledger, as a retry or a dead letter."""
    kind = KINDS.get(job.kind)
    if kind is None:
        await _settle(job, Settlement(Outcome.DEAD, f"no step does jobs of kind {job.kind!r}"), ports)
        return
    try:
        async with asyncio.timeout(kind.policy.deadline_s) as limit:
            await kind.run(kind.payload.decode(job), ports)
    except Exception as failure:  # noqa: BLE001 - a failing job must never end the worker
        late = isinstance(failure, TimeoutError) and limit.expired()
        await _failed(job, f"not done in {kind.policy.deadline_s:g} s" if late else failure, kind.policy, ports)


async def _failed(job: StoredJob, failure: Exception | str, policy: JobPolicy, ports: Ports) -> None:
    if isinstance(failure, Closed) or (isinstance(failure, Conflict) and failure.code == "ABORTED"):
        # The store is closed, or another worker has the lease: there is nothing to settle.
        return
    settlement = settlement_of(failure, job.attempt, policy)
    if settlement.outcome is Outcome.WAIT:
        log.info("job deferred", kind=job.kind, job=job.id, error=settlement.error, retry_after_s=settlement.delay_s)
    else:
        cause = failure if isinstance(failure, Exception) else None
        log.warning(
            "job failed", kind=job.kind, job=job.id, attempt=job.attempt, error=settlement.error, exc_info=cause
        )
    await _settle(job, settlement, ports)


def settlement_of(failure: Exception | str, attempt: int, policy: JobPolicy) -> Settlement:
    """What becomes of a job whose attempt has failed."""
    if isinstance(failure, Busy):
        return _wait(failure, failure.retry_after_s)
    if isinstance(failure, Upstream) and refused_by_disk(failure):
        return _wait(failure, DISK_WAIT_S)
    error = str(failure) if isinstance(failure, RecalldError | str) else f"{type(failure).__name__}: {failure}"
    conflict = isinstance(failure, Conflict) and not failure.details.get("retryable")
    if conflict or isinstance(failure, PERMANENT):  # a retry would not help
        return Settlement(Outcome.DEAD, error)
    return Settlement(Outcome.RETRY, error, min(policy.backoff_s * 2 ** (attempt - 1), policy.backoff_max_s))


def _wait(failure: RecalldError, delay_s: float) -> Settlement:
    """Waiting costs no attempt, however often it happens."""
    return Settlement(Outcome.WAIT, str(failure), min(max(delay_s, WAIT_S_MIN), WAIT_S_MAX))


async def _settle(job: StoredJob, settlement: Settlement, ports: Ports) -> None:
    try:
        await ports.jobs.settle(job, settlement)
    except (Busy, Closed, Upstream) as refused:
        # The lease expires, and the next lease counts this attempt.
        log.warning("job not released", job=job.id, error=str(refused))
