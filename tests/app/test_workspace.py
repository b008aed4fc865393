"""Waiting, readiness and sweeping."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from recalld.adapters.sqlite.ledger.tenant import SqliteTenant
from recalld.app.housekeeping import UPLOAD_KEPT_S, Housekeeping
from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, NewTask
from recalld.domain.errors import Invalid, NotFound, RecalldError, Upstream
from recalld.domain.job import NewJob, TaskStatus
from recalld.infra.watchdog import Watchdog
from tests.harness import Harness, plant


async def test_wait_without_a_worker_ends_at_its_timeout_and_jobs_stay(harness: Harness) -> None:
    await harness.write("viking://resources/a.md", "text")
    with pytest.raises(Upstream) as late:
        await harness.engine.wait(timeout_s=0.01)
    assert (late.value.code, late.value.details["timeout"]) == ("DEADLINE_EXCEEDED", 0.01)
    assert await harness.settle() > 0


async def test_wait_ends_with_the_work_and_does_not_poll(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    await harness.write("viking://resources/a.md", "text")
    query_count = 0
    honest = SqliteTenant.pending

    async def pending(tenant: SqliteTenant, *, task_id: str = "") -> int:
        nonlocal query_count
        query_count += 1
        return await honest(tenant, task_id=task_id)

    monkeypatch.setattr(SqliteTenant, "pending", pending)
    waiting = asyncio.ensure_future(harness.engine.wait(timeout_s=60.0))
    while query_count < 2:
        await asyncio.sleep(0)
    for _ in range(1_000):
        await asyncio.sleep(0)
    assert query_count == 2
    done = await harness.settle()
    await waiting
    assert 2 < query_count <= 2 + 2 * done


async def test_waiting_with_nothing_to_do_ends_at_once(harness: Harness) -> None:
    before = harness.clock.now()
    await harness.engine.wait(timeout_s=0.0)
    assert harness.clock.now() == before


async def test_waiting_for_the_task_of_a_dead_job_ends(harness: Harness) -> None:
    tenant = harness.ports.ledger.tenant(harness.engine.caller)
    await tenant.commit(Commit((NewTask("t", "test"),), (NewJob("mystery", "m", task_id="t"),)))
    await harness.settle()
    await harness.engine.wait(timeout_s=0.0, task_id="t")
    assert (await harness.engine.tasks.get("t")).status is TaskStatus.FAILED


async def test_one_users_work_keeps_no_other_waiting(harness: Harness) -> None:
    await harness.write("viking://resources/a.md", "text")
    await harness.engine.as_caller(Caller(user="bob")).wait(timeout_s=0.0)


async def test_a_task_is_its_users_alone(harness: Harness, tmp_path: Path) -> None:
    task = await harness.add(plant(tmp_path / "src", {"a.md": "x"}))
    with pytest.raises(NotFound):
        await harness.engine.as_caller(Caller(user="bob")).tasks.get(task.id)
    with pytest.raises(RecalldError):
        await harness.engine.tasks.cancel(task.id)


@pytest.mark.parametrize("limit", [0, -1])
async def test_a_limit_is_positive(harness: Harness, limit: int) -> None:
    for call in (
        harness.engine.ls("viking://resources", limit=limit),
        harness.engine.tree("viking://resources", limit=limit),
        harness.engine.grep("viking://resources", "x", limit=limit),
        harness.engine.glob("*", limit=limit),
        harness.engine.find("x", limit=limit),
    ):
        with pytest.raises(Invalid):
            await call


async def housekeeping_round(harness: Harness) -> Housekeeping:
    keeper = Housekeeping(harness.ports, harness.engine.config, Watchdog())
    await keeper.round()
    return keeper


async def test_an_engine_that_has_not_been_looked_at_is_not_ready(harness: Harness) -> None:
    assert (await harness.engine.readiness()).state == "degraded"


async def test_an_engine_whose_parts_answer_is_ready(harness: Harness) -> None:
    found = (await housekeeping_round(harness)).readiness()
    assert (found.state, found.reasons, found.checks["embedding"]) == ("ready", (), "not_configured")


async def test_an_old_job_is_a_reason(harness: Harness) -> None:
    await harness.write("viking://resources/a.md", "text")
    harness.clock.advance(2 * 3_600)
    found = (await housekeeping_round(harness)).readiness()
    assert (found.state, "oldest job" in found.reasons[0]) == ("degraded", True)


async def test_a_probe_of_long_ago_counts_no_more(harness: Harness) -> None:
    keeper = await housekeeping_round(harness)
    harness.clock.advance(600)
    assert keeper.readiness().state == "degraded"


async def test_unused_uploads_are_swept(harness: Harness) -> None:
    folder = plant(harness.engine.upload_dir, {"old": "x", "young": "x"})
    for name, age in (("old", UPLOAD_KEPT_S + 60), ("young", 60)):
        os.utime(folder / name, (harness.clock.now() - age,) * 2)
    await housekeeping_round(harness)
    assert [p.name for p in folder.iterdir()] == ["young"]


async def test_an_upload_whose_import_was_promised_is_kept_however_old(harness: Harness) -> None:
    folder = plant(harness.engine.upload_dir, {"old.md": "# Old\n\nWords.\n"})
    await harness.engine.add(folder / "old.md", keep_source=False)
    os.utime(folder / "old.md", (harness.clock.now() - UPLOAD_KEPT_S - 60,) * 2)
    await housekeeping_round(harness)
    assert [p.name for p in folder.iterdir()] == ["old.md"]
