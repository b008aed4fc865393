"""Waiting, readiness and what is swept away."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from recalld.adapters.ledger.sqlite import SqliteTenant
from recalld.app.housekeeping import UPLOAD_KEPT_S, Housekeeping
from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, NewTask
from recalld.domain.errors import Invalid, NotFound, RecalldError, Upstream
from recalld.domain.job import NewJob, TaskStatus
from recalld.infra.watchdog import Watchdog
from tests.house_fixture import House, plant


async def test_waiting_for_work_that_nobody_does_ends_at_its_time_and_the_work_stays(house: House) -> None:
    await house.write("viking://resources/a.md", "text")
    with pytest.raises(Upstream) as late:
        await house.r.wait(timeout_s=0.01)
    assert (late.value.code, late.value.details["timeout"]) == ("DEADLINE_EXCEEDED", 0.01)
    assert await house.settle() > 0


async def test_who_waits_is_told_of_the_end_and_does_not_keep_asking(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.write("viking://resources/a.md", "text")
    asked = 0
    honest = SqliteTenant.pending

    async def pending(tenant: SqliteTenant, *, task_id: str = "") -> int:
        nonlocal asked
        asked += 1
        return await honest(tenant, task_id=task_id)

    monkeypatch.setattr(SqliteTenant, "pending", pending)
    waiting = asyncio.ensure_future(house.r.wait(timeout_s=60.0))
    while asked < 2:
        await asyncio.sleep(0)
    for _ in range(1_000):
        await asyncio.sleep(0)
    assert asked == 2
    done = await house.settle()
    await waiting
    assert 2 < asked <= 2 + 2 * done


async def test_waiting_with_nothing_to_do_ends_at_once(house: House) -> None:
    before = house.clock.now()
    await house.r.wait(timeout_s=0.0)
    assert house.clock.now() == before


async def test_waiting_for_the_task_of_a_dead_job_ends(house: House) -> None:
    tenant = house.ports.ledger.tenant(house.r.caller)
    await tenant.commit(Commit((NewTask("t", "test"),), (NewJob("mystery", "m", task_id="t"),)))
    await house.settle()
    await house.r.wait(timeout_s=0.0, task_id="t")
    assert (await house.r.task("t")).status is TaskStatus.FAILED


async def test_one_users_work_keeps_no_other_waiting(house: House) -> None:
    await house.write("viking://resources/a.md", "text")
    await house.r.as_caller(Caller(user="bob")).wait(timeout_s=0.0)


async def test_a_task_is_its_users_alone(house: House, tmp_path: Path) -> None:
    task = await house.add(plant(tmp_path / "src", {"a.md": "x"}))
    with pytest.raises(NotFound):
        await house.r.as_caller(Caller(user="bob")).task(task.id)
    with pytest.raises(RecalldError):
        await house.r.cancel(task.id)


@pytest.mark.parametrize("limit", [0, -1])
async def test_a_limit_is_positive(house: House, limit: int) -> None:
    for call in (
        house.r.ls("viking://resources", limit=limit),
        house.r.tree("viking://resources", limit=limit),
        house.r.grep("viking://resources", "x", limit=limit),
        house.r.glob("*", limit=limit),
        house.r.find("x", limit=limit),
    ):
        with pytest.raises(Invalid):
            await call


async def kept_once(house: House) -> Housekeeping:
    keeper = Housekeeping(house.ports, house.r.config, Watchdog())
    await keeper.round()
    return keeper


async def test_an_engine_that_has_not_been_looked_at_is_not_ready(house: House) -> None:
    assert (await house.r.readiness()).state == "degraded"


async def test_an_engine_whose_parts_answer_is_ready(house: House) -> None:
    found = (await kept_once(house)).readiness()
    assert (found.state, found.reasons, found.checks["embedding"]) == ("ready", (), "not_configured")


async def test_an_old_job_is_a_reason(house: House) -> None:
    await house.write("viking://resources/a.md", "text")
    house.clock.advance(2 * 3_600)
    found = (await kept_once(house)).readiness()
    assert (found.state, "oldest job" in found.reasons[0]) == ("degraded", True)


async def test_a_probe_of_long_ago_counts_no_more(house: House) -> None:
    keeper = await kept_once(house)
    house.clock.advance(600)
    assert keeper.readiness().state == "degraded"


async def test_uploads_nobody_added_are_swept(house: House) -> None:
    folder = plant(house.r.upload_dir, {"old": "x", "young": "x"})
    for name, age in (("old", UPLOAD_KEPT_S + 60), ("young", 60)):
        os.utime(folder / name, (house.clock.now() - age,) * 2)
    await kept_once(house)
    assert [p.name for p in folder.iterdir()] == ["young"]


async def test_an_upload_whose_import_was_promised_is_kept_however_old(house: House) -> None:
    folder = plant(house.r.upload_dir, {"old.md": "# Old\n\nWords.\n"})
    await house.r.add(folder / "old.md", keep_source=False)
    os.utime(folder / "old.md", (house.clock.now() - UPLOAD_KEPT_S - 60,) * 2)
    await kept_once(house)
    assert [p.name for p in folder.iterdir()] == ["old.md"]
