"""Jobs rescheduled by a used-up budget do not block the removal of a member."""

from __future__ import annotations

import pytest

from recalld.app.admin import AdminOperations
from recalld.app.worker_loop import run_job
from recalld.app.workspace import Workspace
from recalld.domain.caller import Caller, Role
from recalld.domain.commit import Commit
from recalld.domain.job import Job, NewJob, TaskStatus
from recalld.ports.jobs import Outcome, Settlement
from tests.harness import Harness, dense_harness

__all__ = ["dense_harness"]

ROUNDS = 6
TOMORROW_S = 80_000.0
STEP_S = 10.0


async def begun(harness: Harness) -> tuple[AdminOperations, Job]:
    """A member with an embedding under way."""
    admin = AdminOperations(harness.ports, Caller("default", "root", Role.ROOT))
    await admin.create_account("acme", "ben", seed=None, settings={})
    await admin.create_user("acme", "ana", role="user", seed=None, settings={})
    await Workspace(harness.ports, Caller("acme", "ana", Role.USER), 5.0).write(
        "viking://~/memories/notes/a.md", "a heron"
    )
    job = await harness.lease_of("embed")
    assert job.caller.user == "ana"
    return admin, job


async def rounds(harness: Harness) -> None:
    """What a worker does in a minute."""
    for _ in range(ROUNDS):
        for job in await harness.lease(8):
            await run_job(job, harness.ports)
        harness.clock.advance(STEP_S)


@pytest.mark.parametrize("account", [False, True])
async def test_a_member_whose_work_waits_for_tomorrow_is_removed_today(dense_harness: Harness, account: bool) -> None:
    harness = dense_harness
    admin, job = await begun(harness)
    task = (await (admin.delete_account("acme") if account else admin.delete_user("acme", "ana"))).task_id
    await harness.ports.jobs.settle(job, Settlement(Outcome.WAIT, "budget", TOMORROW_S))
    shared = harness.ports.ledger.tenant(Caller("acme", ""))
    await shared.commit(Commit((), (NewJob("embed", "embed", delay_s=TOMORROW_S),)))
    await rounds(harness)
    status = await harness.ports.ledger.tenant(Caller("default", "root", Role.ROOT)).task(task)
    assert status.status is TaskStatus.COMPLETED


async def test_work_that_runs_is_waited_for(dense_harness: Harness) -> None:
    harness = dense_harness
    admin, job = await begun(harness)
    task = (await admin.delete_user("acme", "ana")).task_id
    root = harness.ports.ledger.tenant(Caller("default", "root", Role.ROOT))
    for step in await harness.lease(8):
        await run_job(step, harness.ports)
    assert (await root.task(task)).status is not TaskStatus.COMPLETED
    await harness.ports.jobs.settle(job, Settlement(Outcome.WAIT, "ended"))
    await rounds(harness)
    assert (await root.task(task)).status is TaskStatus.COMPLETED


async def test_others_work_stays_in_the_queue(dense_harness: Harness) -> None:
    harness = dense_harness
    admin, _ = await begun(harness)
    bens = harness.ports.ledger.tenant(Caller("acme", "ben", Role.ADMIN))
    await bens.commit(Commit((), (NewJob("embed", "embed", delay_s=TOMORROW_S),)))
    await admin.delete_user("acme", "ana")
    await rounds(harness)
    assert await bens.pending() == 1
    assert await bens.pending(due=True) == 0
