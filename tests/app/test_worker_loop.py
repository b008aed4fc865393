"""The worker loop: every job ends, whatever its step does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from recalld.app import worker_loop as working
from recalld.app.job_registry import KINDS, JobKind
from recalld.app.worker_loop import run_job, work
from recalld.domain.commit import Commit, NewTask
from recalld.domain.errors import Busy, Conflict, Corrupt, Denied, Invalid, NotFound, Upstream, disk_full
from recalld.domain.job import Job, JobPayload, Lane, NewJob, TaskStatus
from recalld.domain.policy import JobPolicy
from recalld.ports.bundle import Ports
from recalld.ports.model import CallBudget, DailyUsage
from tests.harness import Harness

Steps = Callable[..., None]
Step = Callable[[Job[Any], Ports], Awaitable[None]]


class AnyPayload(JobPayload, frozen=True):
    """What jobs of these tests are told."""

    KIND = "any"

    n: Any = None
    quiet: bool = False


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    """Puts steps of the test's own into the table: ``steps(fails=step, policy=...)``."""

    def put(policy: JobPolicy | None = None, **job_steps: Step) -> None:
        own = {name: JobKind(AnyPayload, step, policy or JobPolicy()) for name, step in job_steps.items()}
        monkeypatch.setattr(working, "KINDS", {**KINDS, **own})

    return put


async def enqueue(harness: Harness, kind: str) -> None:
    """A job with a task that a user watches."""
    job = NewJob(kind, kind, task_id=f"task_{kind}")
    tenant = harness.ports.ledger.tenant(harness.engine.caller)
    await tenant.commit(Commit((NewTask(job.task_id, "add_resource"),), (job,)))


async def done(job: Job, ports: Ports) -> None:
    await ports.ledger.tenant(job.caller).commit(Commit(done=job.id))


async def test_a_job_that_raises_is_tried_again_later_and_later_then_dead_with_its_reason(
    harness: Harness, steps: Steps
) -> None:
    tried: list[float] = []

    async def breaks(job: Job, ports: Ports) -> None:
        tried.append(harness.clock.now())
        raise ValueError("the wheel came off")

    steps(breaks=breaks)
    await enqueue(harness, "breaks")
    await harness.settle()
    gaps = [b - a for a, b in zip(tried, tried[1:], strict=False)]
    assert len(tried) == JobPolicy().attempts_max
    assert gaps == sorted(gaps)
    assert all(gap >= JobPolicy().backoff_s * 2**i for i, gap in enumerate(gaps))
    task = await harness.engine.tasks.get("task_breaks")
    assert (task.status, task.error) == (TaskStatus.FAILED, "ValueError: the wheel came off")
    assert (await harness.queue("breaks")).dead == 1


@pytest.mark.parametrize("failure", [Invalid("x"), Denied("x"), NotFound("x"), Corrupt("x"), Conflict("x")])
async def test_permanent_failures_are_tried_once(harness: Harness, steps: Steps, failure: Exception) -> None:
    tried = 0

    async def refuses(job: Job, ports: Ports) -> None:
        nonlocal tried
        tried += 1
        raise failure

    steps(refuses=refuses)
    await enqueue(harness, "refuses")
    await harness.settle()
    assert (tried, (await harness.queue("refuses")).dead) == (1, 1)


async def test_temporary_failures_succeed_in_the_end(harness: Harness, steps: Steps) -> None:
    failures: list[Exception] = [Upstream("late"), Busy("full"), OSError("no space")]

    async def recovers(job: Job, ports: Ports) -> None:
        if failures:
            raise failures.pop()
        await done(job, ports)

    steps(recovers=recovers)
    await enqueue(harness, "recovers")
    await harness.settle()
    queue = await harness.queue("recovers")
    assert (queue.done, queue.dead) == (1, 0)


async def test_a_job_that_ends_while_its_lease_is_renewed_does_not_end_the_worker(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    lasting = asyncio.ensure_future(asyncio.Event().wait())
    running: dict[int, asyncio.Task[None]] = {1: lasting}  # type: ignore[dict-item]
    beats: list[list[int]] = []

    async def heartbeat(**request: Any) -> list[int]:
        beats.append(list(request["job_ids"]))
        running.clear()
        return []

    monkeypatch.setattr(harness.ports.jobs, "heartbeat", heartbeat)
    beating = asyncio.ensure_future(working._heartbeat(harness.ports, "harness", 0.003, running))
    while not beats:
        await asyncio.sleep(0.001)
    for _ in range(5):
        await asyncio.sleep(0.001)
    assert not beating.done()
    beating.cancel()
    lasting.cancel()
    await asyncio.wait([beating, lasting])
    assert beating.cancelled()


async def test_a_deadline_ends_a_job_that_does_not(harness: Harness, steps: Steps) -> None:
    async def hangs(job: Job, ports: Ports) -> None:
        await asyncio.Event().wait()

    steps(JobPolicy(attempts_max=5, deadline_s=0.01), hangs=hangs)
    await enqueue(harness, "hangs")
    await run_job(await harness.lease_of("hangs"), harness.ports)
    queue = await harness.queue("hangs")
    assert (queue.pending, queue.running) == (1, 0)


async def test_a_job_of_an_unknown_kind_is_dead_at_once(harness: Harness) -> None:
    await enqueue(harness, "mystery")
    await harness.settle()
    assert "mystery" in (await harness.engine.tasks.get("task_mystery")).error


async def test_a_job_whose_lease_went_elsewhere_leaves_it_alone(harness: Harness, steps: Steps) -> None:
    async def loses(job: Job, ports: Ports) -> None:
        await ports.jobs.release(worker="harness")
        await done(job, ports)

    steps(loses=loses)
    await enqueue(harness, "loses")
    await run_job(await harness.lease_of("loses"), harness.ports)
    queue = await harness.queue("loses")
    assert (queue.pending, queue.dead, queue.done) == (1, 0, 0)


async def test_a_cancelled_job_is_stopped_where_it_stands(harness: Harness, steps: Steps) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def runs(job: Job, ports: Ports) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    steps(runs=runs)
    await enqueue(harness, "runs")
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        loop = group.create_task(work(harness.ports, name="harness", lease_s=3.0))
        await begun.wait()
        await harness.engine.tasks.cancel("task_runs")
        await ended.wait()
        loop.cancel()
    assert (await harness.engine.tasks.get("task_runs")).status is TaskStatus.CANCELLED


async def test_one_failing_job_does_not_stop_the_others(harness: Harness, steps: Steps) -> None:
    finished = asyncio.Event()

    async def breaks(job: Job, ports: Ports) -> None:
        raise ValueError("broken")

    async def works(job: Job, ports: Ports) -> None:
        await done(job, ports)
        finished.set()

    steps(breaks=breaks, works=works)
    await enqueue(harness, "breaks")
    await enqueue(harness, "works")
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        loop = group.create_task(work(harness.ports, name="harness", lease_s=60.0))
        await finished.wait()
        loop.cancel()
    assert (await harness.queue("works")).done == 1


@pytest.mark.parametrize(
    ("failure", "wait_s"),
    [(Busy("not now", retry_after_s=60.0), 60.0), (disk_full(), working.DISK_WAIT_S)],
    ids=["busy", "full disk"],
)
async def test_busy_costs_no_attempt_and_waits_as_long_as_requested(
    harness: Harness, steps: Steps, failure: Exception, wait_s: float
) -> None:
    tried: list[float] = []
    begun = harness.clock.now()

    async def waits(job: Job, ports: Ports) -> None:
        tried.append(harness.clock.now() - begun)
        assert job.attempt == 1
        if len(tried) <= 20:
            raise failure
        await done(job, ports)

    steps(JobPolicy(attempts_max=2), waits=waits)
    await enqueue(harness, "waits")
    await harness.settle()
    assert len(tried) == 21
    assert all(later - sooner >= wait_s for sooner, later in zip(tried, tried[1:], strict=False))
    assert (await harness.queue("waits")).dead == 0


async def test_a_worker_that_is_stopped_gives_its_job_back_as_if_it_had_not_begun(
    harness: Harness, steps: Steps
) -> None:
    begun, attempts = asyncio.Event(), []

    async def takes_long(job: Job, ports: Ports) -> None:
        attempts.append(job.attempt)
        begun.set()
        await asyncio.Event().wait()

    steps(JobPolicy(attempts_max=2), takes_long=takes_long)
    await enqueue(harness, "takes_long")
    for _ in range(5):
        begun.clear()
        task = asyncio.ensure_future(work(harness.ports, name="inside", lease_s=30.0))
        await asyncio.wait_for(begun.wait(), 10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (await harness.queue("takes_long")).pending == 1
    assert attempts == [1] * 5


async def test_two_tasks_that_ask_for_the_same_both_end(harness: Harness, steps: Steps) -> None:
    tenant = harness.ports.ledger.tenant(harness.engine.caller)
    for task in ("one", "two"):
        job = NewJob("same", "same", {"n": task}, task_id=task)
        await tenant.commit(Commit((NewTask(task, "add_resource"),), (job,)))
    ran: list[str] = []

    async def same(job: Job, ports: Ports) -> None:
        ran.append(job.task_id)
        await done(job, ports)

    steps(same=same)
    await harness.settle()
    assert sorted(ran) == ["one", "two"]


async def test_of_two_jobs_that_fold_the_newer_tells_what_to_do_and_the_louder_how(
    harness: Harness, steps: Steps
) -> None:
    seen: list[dict[str, object]] = []

    async def follow_up(job: Job, ports: Ports) -> None:
        seen.append(msgspec.to_builtins(job.payload))
        await done(job, ports)

    steps(follow_up=follow_up)
    tenant = harness.ports.ledger.tenant(harness.engine.caller)
    for payload in ({"n": 1, "quiet": True}, {"n": 2, "quiet": False}, {"n": 2, "quiet": True}):
        await tenant.commit(Commit(jobs=(NewJob("follow_up", "follow_up", payload),)))
    await harness.settle()
    assert seen == [{"n": 2, "quiet": False}]


@pytest.mark.parametrize(("lane", "most"), [(Lane.INTERACTIVE, 8), (Lane.BULK, 2)])
async def test_model_jobs_run_concurrently_and_bulk_jobs_two_at_a_time(
    harness: Harness, steps: Steps, monkeypatch: pytest.MonkeyPatch, lane: Lane, most: int
) -> None:
    monkeypatch.setattr(working, "_heartbeat", lambda *_: asyncio.Event().wait())  # this clock runs out of every lease
    inside, largest, left, ended = 0, 0, 12, asyncio.Event()

    async def asks(job: Job, ports: Ports) -> None:
        nonlocal inside, largest, left
        inside += 1
        largest = max(largest, inside)
        for _ in range(200):
            await asyncio.sleep(0)
        inside -= 1
        left -= 1
        await done(job, ports)
        if not left:
            ended.set()

    steps(asks=asks)
    tenant = harness.ports.ledger.tenant(harness.engine.caller)
    await tenant.commit(Commit(jobs=tuple(NewJob("asks", f"asks:{n}", lane=lane) for n in range(left))))
    task = asyncio.ensure_future(work(harness.ports, name="inside", lease_s=30.0, waiting_max=8))
    await asyncio.wait_for(ended.wait(), 30)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert largest == most


def test_concurrent_budgets_never_exceed_the_daily_limit() -> None:
    daily_usage = DailyUsage()
    daily_usage.sync("2026-01-01", 0, 0)
    budgets = [CallBudget(1_000, 10, 60.0, daily_usage=daily_usage, calls_max=10, tokens_max=1_000) for _ in range(8)]
    calls = 0
    for budget in budgets:
        try:
            budget.reserve(100, 100)
            calls += 1
        except Busy:
            assert budget.refused == 1
    assert (calls, daily_usage.tokens) == (5, 1_000)
    for budget in budgets[:calls]:
        budget.record(100, 90, 10)
    assert daily_usage.tokens == 5 * 100
    daily_usage.sync("2026-01-01", 5, 480)  # what was written down of it is nothing new
    assert (daily_usage.calls, daily_usage.tokens) == (5, 500)
    budgets[0].reserve(100, 400)
    budgets[0].release()  # it was late: its question counts, the answer that never came does not
    assert daily_usage.tokens == 600
    daily_usage.sync("2026-01-02", 0, 0)
    assert daily_usage.tokens == 0
