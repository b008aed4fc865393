"""Jobs of an address follow its moves, run twice after a copy, and end every task."""

from __future__ import annotations

import pytest

from recalld.domain.commit import Copy, MakeDir, Move, NewTask
from recalld.domain.job import Job, NewJob
from tests.contract.ledger_harness import LedgerHarness, at, put

OLD, NEW = "resources/old", "resources/new"


def about(path: str, *, task: str = "", more: object = "") -> NewJob:
    return NewJob("k", f"k:viking://{path}", {"uri": f"viking://{path}", "more": more}, task_id=task)


async def planted(harness: LedgerHarness) -> None:
    await harness.do(put(f"{OLD}/a.md"), put("resources/older.md"), MakeDir(at(NEW + "s")))


async def leased(harness: LedgerHarness) -> list[Job]:
    """All jobs of these tests, whatever else is to be done; in the order of their addresses."""
    return sorted((j for j in await harness.lease(99) if j.kind == "k"), key=lambda j: (j.payload["uri"], j.task_id))


async def test_a_waiting_job_goes_along_with_its_task(harness: LedgerHarness) -> None:
    await planted(harness)
    await harness.do(NewTask("t", "k", OLD), jobs=(about(f"{OLD}/a.md", task="t"), about("resources/older.md")))
    await harness.do(Move(at(OLD), at(NEW)))
    found = await leased(harness)
    assert [(j.payload["uri"], j.task_id) for j in found] == [
        (f"viking://{NEW}/a.md", "t"),
        ("viking://resources/older.md", ""),
    ]
    assert found[0].key.endswith(f"k:viking://{NEW}/a.md")


async def test_a_job_that_runs_is_left_to_end_and_done_again_at_the_new_address(harness: LedgerHarness) -> None:
    await planted(harness)
    await harness.do(jobs=(about(f"{OLD}/a.md"),))
    (running,) = await leased(harness)
    await harness.do(Move(at(OLD), at(NEW)))
    await harness.do(done=running.id)
    (again,) = await leased(harness)
    assert again.payload["uri"] == f"viking://{NEW}/a.md"
    await harness.do(done=again.id)
    assert await leased(harness) == []


async def test_a_copys_job_is_done_at_both(harness: LedgerHarness) -> None:
    await planted(harness)
    await harness.do(jobs=(about(f"{OLD}/a.md", more=7),))
    await harness.do(Copy(at(OLD), at(NEW), recursive=True))
    assert [(j.payload["uri"], j.payload["more"]) for j in await leased(harness)] == [
        (f"viking://{NEW}/a.md", 7),
        (f"viking://{OLD}/a.md", 7),
    ]


async def test_two_jobs_of_two_tasks_that_meet_end_both(harness: LedgerHarness) -> None:
    await planted(harness)
    await harness.do(NewTask("t", "k", OLD), NewTask("u", "k", NEW))
    await harness.do(jobs=(about(f"{OLD}/a.md", task="t"), about(f"{NEW}/a.md", task="u")))
    await harness.do(Move(at(OLD), at(NEW)))
    assert [j.task_id for j in await leased(harness)] == ["t", "u"]


@pytest.mark.parametrize("waiting", ["", "t"])
async def test_a_job_that_meets_one_without_another_task_is_one_with_the_task(
    harness: LedgerHarness, waiting: str
) -> None:
    await planted(harness)
    await harness.do(NewTask("t", "k", OLD))
    moved, there = ("t", "") if waiting == "" else ("", "t")
    await harness.do(jobs=(about(f"{OLD}/a.md", task=moved, more="moved"), about(f"{NEW}/a.md", task=there)))
    await harness.do(Move(at(OLD), at(NEW)))
    (one,) = await leased(harness)
    assert (one.task_id, one.payload["more"]) == ("t", "moved")
