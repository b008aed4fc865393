from __future__ import annotations

import asyncio

import pytest

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, NewTask, UpdateTask
from recalld.domain.errors import Conflict, NotFound
from recalld.domain.job import Lane, NewJob, TaskStatus
from recalld.ports.jobs import Outcome, Settlement
from tests.contract.ledger_harness import ANA, BEN, POLICIES, LedgerHarness, append, archive, put


def job(key: str, *, kind: str = "k", **rest: object) -> NewJob:
    return NewJob(kind, key, **rest)  # type: ignore[arg-type]


async def keys(harness: LedgerHarness, jobs_max: int = 99) -> list[str]:
    return [j.key.rsplit("/", 1)[-1] for j in await harness.lease(jobs_max)]


async def test_a_leased_job_has_its_caller_and_payload(harness: LedgerHarness) -> None:
    await harness.do(jobs=(job("a", payload={"n": 1}, lane=Lane.INTERACTIVE),))
    (leased,) = await harness.lease()
    assert (leased.kind, leased.caller, leased.payload, leased.attempt) == ("k", ANA, {"n": 1}, 1)


async def test_pending_jobs_of_one_key_are_one(harness: LedgerHarness) -> None:
    await harness.do(jobs=(job("a"), job("a", lane=Lane.INTERACTIVE)))
    await harness.do(jobs=(job("a"),))
    await harness.do(jobs=(job("a"),), caller=BEN)
    leased = await harness.lease(9)
    assert [(j.caller.user, j.lane) for j in leased] == [("ana", Lane.INTERACTIVE), ("ben", Lane.BULK)]


async def test_a_second_job_of_a_key_waits_behind_the_running_one(harness: LedgerHarness) -> None:
    await harness.do(jobs=(job("a"),))
    (first,) = await harness.lease()
    await harness.do(jobs=(job("a"),))
    assert await harness.lease(9) == []
    await harness.do(done=first.id)
    (second,) = await harness.lease(9)
    assert second.id != first.id


async def test_a_job_waits_for_its_time(harness: LedgerHarness) -> None:
    await harness.do(jobs=(job("a", delay_s=10.0),))
    assert await harness.lease() == []
    harness.clock.advance(11)
    assert len(await harness.lease()) == 1


async def test_interactive_jobs_go_first_then_the_oldest(harness: LedgerHarness) -> None:
    await harness.do(jobs=(job("1"), job("2"), job("3", lane=Lane.INTERACTIVE)))
    assert await keys(harness) == ["3", "1", "2"]


async def test_lanes_can_be_chosen(harness: LedgerHarness) -> None:
    await harness.do(jobs=(job("1", lane=Lane.INTERACTIVE), job("2")))
    assert [j.lane for j in await harness.lease(9, lanes=("bulk",))] == [Lane.BULK]


async def test_a_heavy_user_does_not_keep_a_light_one_waiting(harness: LedgerHarness) -> None:
    for start in range(0, 1_200, 300):
        await harness.do(jobs=tuple(job(f"a{n}") for n in range(start, start + 300)))
    await harness.do(jobs=(job("b"),), caller=BEN)
    served = [(await harness.lease(1))[0].caller.user for _ in range(3)]
    assert "ben" in served


async def test_users_take_turns_even_when_one_job_runs_at_a_time(harness: LedgerHarness) -> None:
    await harness.do(jobs=tuple(job(f"a{n}") for n in range(6)))
    await harness.do(jobs=tuple(job(f"b{n}") for n in range(2)), caller=BEN)
    order = []
    for _ in range(4):
        (one,) = await harness.lease(1)
        order.append(one.caller.user)
        await harness.tenant(one.caller).commit(Commit(done=one.id))
    assert sorted(order[:2]) == sorted(order[2:]) == ["ana", "ben"]


async def test_a_job_done_leaves_with_its_commit_and_is_counted(harness: LedgerHarness) -> None:
    await harness.do(jobs=(job("a"),))
    (leased,) = await harness.lease()
    await harness.do(put("resources/a.md"), done=leased.id)
    harness.clock.advance(1_000)
    assert await harness.lease() == []
    (count,) = await harness.ledger.stats.queues()
    assert (count.kind, count.pending, count.running, count.dead, count.done) == ("k", 0, 0, 0, 1)


async def test_a_worker_whose_lease_ran_out_changes_nothing(harness: LedgerHarness) -> None:
    await harness.do(jobs=(job("a"),))
    (slow,) = await harness.lease(worker="slow")
    harness.clock.advance(31)
    (quick,) = await harness.lease(worker="quick")
    assert quick.attempt == 2
    with pytest.raises(Conflict) as refused:
        await harness.do(put("resources/slow.md"), done=slow.id)
    assert refused.value.code == "ABORTED"
    with pytest.raises(NotFound):
        await harness.text("resources/slow.md")
    await harness.ledger.jobs.settle(slow, Settlement(Outcome.RETRY, "late"))
    assert await harness.ledger.jobs.heartbeat(worker="quick", job_ids=[quick.id], lease_s=30) == [quick.id]
    await harness.do(put("resources/quick.md"), done=quick.id)


async def test_a_beat_keeps_a_lease_and_tells_which_are_lost(harness: LedgerHarness) -> None:
    await harness.do(jobs=(job("a"), job("b")))
    first, second = await harness.lease(2)
    harness.clock.advance(20)
    assert await harness.ledger.jobs.heartbeat(worker="w", job_ids=[first.id], lease_s=30) == [first.id]
    harness.clock.advance(20)
    assert [j.key for j in await harness.lease(9, worker="other")] == [second.key]
    assert await harness.ledger.jobs.heartbeat(worker="w", job_ids=[first.id, second.id], lease_s=30) == [first.id]


async def test_a_dead_workers_jobs_come_back_at_once(harness: LedgerHarness) -> None:
    await harness.do(jobs=(job("a"), job("b")))
    await harness.lease(2, worker="dead")
    assert await harness.ledger.jobs.release(worker="dead") == 2
    assert [j.attempt for j in await harness.lease(9)] == [2, 2]


async def test_a_failed_job_comes_back_after_its_delay(harness: LedgerHarness) -> None:
    await harness.do(jobs=(job("a"),))
    (leased,) = await harness.lease()
    await harness.ledger.jobs.settle(leased, Settlement(Outcome.RETRY, "no", 10))
    assert await harness.lease() == []
    harness.clock.advance(11)
    assert (await harness.lease())[0].attempt == 2


async def test_a_job_that_fails_too_often_dies_with_its_reason_and_its_task(harness: LedgerHarness) -> None:
    await harness.do(NewTask("t", "import"), jobs=(job("a", kind="fragile", task_id="t"),))
    for _ in range(2):
        (leased,) = await harness.lease()
        await harness.ledger.jobs.settle(leased, Settlement(Outcome.RETRY, "it broke"))
    assert await harness.lease() == []
    assert (await harness.ledger.stats.queues())[0].dead == 1
    task = await harness.tenant().task("t")
    assert (task.status, task.error) == (TaskStatus.FAILED, "it broke")


async def test_a_job_that_kills_its_workers_dies_too(harness: LedgerHarness) -> None:
    await harness.do(jobs=(job("a", kind="fragile"),))
    for _ in range(2):
        assert len(await harness.lease()) == 1
        harness.clock.advance(31)
    assert await harness.lease() == []
    assert (await harness.ledger.stats.queues())[0].dead == 1


async def test_a_job_that_is_refused_for_good_dies_at_once(harness: LedgerHarness) -> None:
    await harness.do(append("s", "m"))
    await harness.do(archive("s", 9, "t"))
    (leased,) = await harness.lease()
    await harness.ledger.jobs.settle(leased, Settlement(Outcome.DEAD, "never"))
    assert (await harness.tenant().task("t")).status is TaskStatus.FAILED
    assert (await harness.tenant().archives("s"))[0].state == "failed"


async def test_dead_jobs_do_not_count_as_pending(harness: LedgerHarness) -> None:
    await harness.do(jobs=(job("a", kind="fragile"), job("b", task_id="t")))
    assert (await harness.tenant().pending(), await harness.tenant().pending(task_id="t")) == (2, 1)
    (leased, _) = await harness.lease(2)
    assert await harness.tenant().pending() == 2
    await harness.ledger.jobs.settle(leased, Settlement(Outcome.DEAD, "no"))
    assert (await harness.tenant().pending(), await harness.tenant(BEN).pending()) == (1, 0)


async def test_a_dead_letter_key_can_be_enqueued_again(harness: LedgerHarness) -> None:
    await harness.do(jobs=(job("a"),))
    (leased,) = await harness.lease()
    await harness.ledger.jobs.settle(leased, Settlement(Outcome.DEAD, "no"))
    await harness.do(jobs=(job("a"),))
    assert len(await harness.lease()) == 1


async def test_queue_stats_have_the_age_of_the_oldest_job(harness: LedgerHarness) -> None:
    await harness.do(jobs=(job("a"),))
    harness.clock.advance(7)
    assert (await harness.ledger.stats.queues())[0].oldest_s == 7


# ------------------------------------------------------------------ tasks
async def test_a_task_moves_on_until_it_has_ended(harness: LedgerHarness) -> None:
    await harness.do(NewTask("t", "import", "viking://resources/x", {"m": 1}))
    await harness.do(UpdateTask("t", TaskStatus.RUNNING, stage="parsing"))
    await harness.do(UpdateTask("t", TaskStatus.COMPLETED, result={"n": 3}))
    await harness.do(UpdateTask("t", TaskStatus.FAILED, error="late"))
    task = await harness.tenant().task("t")
    assert (task.status, task.result, task.error, task.meta) == (TaskStatus.COMPLETED, {"n": 3}, "", {"m": 1})


async def test_tasks_are_their_users_own(harness: LedgerHarness) -> None:
    await harness.do(NewTask("t", "import"))
    with pytest.raises(NotFound):
        await harness.tenant(BEN).task("t")
    with pytest.raises(NotFound):
        await harness.tenant(BEN).cancel("t")
    await harness.do(UpdateTask("t", TaskStatus.FAILED), caller=BEN)
    assert (await harness.tenant().task("t")).status is TaskStatus.PENDING
    assert await harness.tenant(BEN).tasks() == []


async def test_a_task_id_is_taken_once(harness: LedgerHarness) -> None:
    await harness.do(NewTask("t", "import"))
    with pytest.raises(Conflict):
        await harness.do(NewTask("t", "import"), caller=BEN)


async def test_tasks_are_listed_newest_first_and_filtered(harness: LedgerHarness) -> None:
    for n, kind in enumerate(("import", "import", "session_commit")):
        await harness.do(NewTask(f"t{n}", kind, f"r{n}"))
        harness.clock.advance(1)
    await harness.do(UpdateTask("t1", TaskStatus.RUNNING))
    tenant = harness.tenant()
    assert [t.id for t in await tenant.tasks()] == ["t2", "t1", "t0"]
    assert [t.id for t in await tenant.tasks(type="import", status="running")] == ["t1"]
    assert [t.id for t in await tenant.tasks(resource_id="r0")] == ["t0"]
    assert len(await tenant.tasks(limit=2)) == 2


async def test_cancelling_takes_the_jobs_away(harness: LedgerHarness) -> None:
    await harness.do(NewTask("t", "import"), jobs=(job("a", task_id="t"), job("b", task_id="t"), job("c")))
    (running,) = await harness.lease(1)
    task = await harness.tenant().cancel("t")
    assert task.status is TaskStatus.CANCELLED
    assert await harness.ledger.jobs.heartbeat(worker="w", job_ids=[running.id], lease_s=30) == []
    with pytest.raises(Conflict):
        await harness.do(done=running.id)
    assert await keys(harness) == ["c"]
    with pytest.raises(Conflict):
        await harness.tenant().cancel("t")


async def test_jobs_wake_every_listener(harness: LedgerHarness) -> None:
    async def two() -> int:
        seen = 0
        async for _ in harness.ledger.jobs.wakeups():
            seen += 1
            if seen == 2:
                return seen
        return seen

    listeners = [asyncio.create_task(two()) for _ in range(2)]
    await asyncio.sleep(0)
    await harness.do(jobs=(job("a"),))
    assert await asyncio.wait_for(asyncio.gather(*listeners), 0.9) == [2, 2]


async def test_a_callers_role_goes_with_its_job(harness: LedgerHarness) -> None:
    admin = Caller("acme", "ana", ANA.role.ADMIN)
    await harness.do(jobs=(job("a"),), caller=admin)
    assert (await harness.lease())[0].caller == admin


async def test_a_job_older_than_the_server_is_leased(harness: LedgerHarness) -> None:
    await harness.do(jobs=(job("a", kind="fragile"),))
    harness.clock.advance(10 * POLICIES["fragile"].deadline_s)
    (leased,) = await harness.lease()
    assert leased.kind == "fragile"


async def test_jobs_of_one_key_run_in_order(harness: LedgerHarness) -> None:
    for key in ("docs#1", "docs#2", "other#1"):
        await harness.do(jobs=(job(key),))
        harness.clock.advance(1)
    assert await keys(harness) == ["docs#1", "other#1"]
    await harness.ledger.jobs.release(worker="w")
    first = next(j for j in await harness.lease(99) if j.key.endswith("docs#1"))
    await harness.do(done=first.id)
    assert await keys(harness) == ["docs#2"]
