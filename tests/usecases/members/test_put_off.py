"""Work that a used-up budget put off for a day keeps nobody from being removed."""

from __future__ import annotations

import pytest

from recalld.app.admin import AdminVerbs
from recalld.app.worker import run_job
from recalld.app.workspace import Workspace
from recalld.domain.caller import Caller, Role
from recalld.domain.commit import Commit
from recalld.domain.job import Job, NewJob, TaskStatus
from tests.house_fixture import House, dense_house

__all__ = ["dense_house"]

ROUNDS = 6
TOMORROW_S = 80_000.0
STEP_S = 10.0


async def begun(house: House) -> tuple[AdminVerbs, Job]:
    """A member with an embedding under way."""
    admin = AdminVerbs(house.ports, Caller("default", "root", Role.ROOT))
    await admin.make_account("acme", "ben", seed=None, settings={})
    await admin.enrol("acme", "ana", role="user", seed=None, settings={})
    await Workspace(house.ports, Caller("acme", "ana", Role.USER), 5.0).write(
        "viking://~/memories/notes/a.md", "a heron"
    )
    job = await house.lease_of("embed")
    assert job.caller.user == "ana"
    return admin, job


async def rounds(house: House) -> None:
    """What a worker does in a minute."""
    for _ in range(ROUNDS):
        for job in await house.lease(8):
            await run_job(job, house.ports)
        house.clock.advance(STEP_S)


@pytest.mark.parametrize("account", [False, True])
async def test_a_member_whose_work_waits_for_tomorrow_is_removed_today(dense_house: House, account: bool) -> None:
    house = dense_house
    admin, job = await begun(house)
    task = (await (admin.remove_account("acme") if account else admin.remove_member("acme", "ana"))).task_id
    await house.ports.ledger.retry(job, error="budget", delay_s=TOMORROW_S, permanent=False, counts=False)
    shared = house.ports.ledger.tenant(Caller("acme", ""))
    await shared.commit(Commit((), (NewJob("embed", "embed", delay_s=TOMORROW_S),)))
    await rounds(house)
    told = await house.ports.ledger.tenant(Caller("default", "root", Role.ROOT)).task(task)
    assert told.status is TaskStatus.COMPLETED


async def test_work_that_runs_is_waited_for(dense_house: House) -> None:
    house = dense_house
    admin, job = await begun(house)
    task = (await admin.remove_member("acme", "ana")).task_id
    root = house.ports.ledger.tenant(Caller("default", "root", Role.ROOT))
    for step in await house.lease(8):
        await run_job(step, house.ports)
    assert (await root.task(task)).status is not TaskStatus.COMPLETED
    await house.ports.ledger.retry(job, error="ended", delay_s=0.0, permanent=False, counts=False)
    await rounds(house)
    assert (await root.task(task)).status is TaskStatus.COMPLETED


async def test_others_work_stays_in_the_queue(dense_house: House) -> None:
    house = dense_house
    admin, _ = await begun(house)
    bens = house.ports.ledger.tenant(Caller("acme", "ben", Role.ADMIN))
    await bens.commit(Commit((), (NewJob("embed", "embed", delay_s=TOMORROW_S),)))
    await admin.remove_member("acme", "ana")
    await rounds(house)
    assert await bens.pending() == 1
    assert await bens.pending(due=True) == 0
