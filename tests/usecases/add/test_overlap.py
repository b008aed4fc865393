"""Imports and concurrent changes: targets, moves, removals, edits between any two steps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recalld.adapters.model.extractive import ExtractiveModel
from recalld.app.worker_loop import run_job
from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, Receipt
from recalld.domain.document import Document, Tiers
from recalld.domain.errors import NotFound
from recalld.domain.job import TaskStatus
from recalld.ports.ledger import Ledger, Tenant
from tests.harness import Harness, plant

ROOT = "viking://resources/src"
MANY = {f"{i:03d}.md": f"bird {i}" for i in range(70)}


class Meanwhile(ExtractiveModel):
    """A model in whose call number ``call`` somebody else does something."""

    def __init__(self, call: int, act: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self._left, self._act = call, act

    async def tiers_of_document(self, name: str, document: Document) -> Tiers:
        self._left -= 1
        if self._left == 0:
            await self._act()
        return await super().tiers_of_document(name, document)


async def run_with(harness: Harness, call: int, act: Callable[[], Awaitable[object]]) -> None:
    model = Meanwhile(call, act)
    await run_job(await harness.lease_of("import"), replace(harness.ports, model=model))
    await model.close()
    await harness.settle()


async def test_a_place_removed_before_the_worker_comes_cancels_its_import(harness: Harness, tmp_path: Path) -> None:
    added = await harness.engine.add(plant(tmp_path / "src", MANY))
    await harness.engine.rm(ROOT, recursive=True)
    assert (await harness.engine.tasks.get(added.task_id)).status is TaskStatus.CANCELLED
    await harness.settle()
    with pytest.raises(NotFound):
        await harness.engine.stat(ROOT)


@pytest.mark.parametrize("removed", [ROOT, "viking://resources/above"])
@pytest.mark.parametrize("call", [1, 40, 70])
async def test_a_place_removed_meanwhile_stays_removed(
    harness: Harness, tmp_path: Path, removed: str, call: int
) -> None:
    to = ROOT if removed == ROOT else f"{removed}/src"
    added = await harness.engine.add(plant(tmp_path / "src", MANY), to=to)
    await run_with(harness, call, lambda: harness.engine.rm(removed, recursive=True))
    assert (await harness.engine.tasks.get(added.task_id)).status is TaskStatus.CANCELLED
    with pytest.raises(NotFound):
        await harness.engine.stat(removed)


async def test_a_target_removed_and_recreated_gets_no_more_files(harness: Harness, tmp_path: Path) -> None:
    added = await harness.engine.add(plant(tmp_path / "src", MANY))

    async def replaced() -> None:
        await harness.engine.rm(ROOT, recursive=True)
        await harness.write(f"{ROOT}/mine.md", "mine")

    await run_with(harness, 40, replaced)
    assert (await harness.engine.tasks.get(added.task_id)).status is TaskStatus.CANCELLED
    assert await harness.texts_below(ROOT) == {"mine.md": "mine"}


async def test_a_place_moved_before_the_worker_comes_takes_its_import_along(harness: Harness, tmp_path: Path) -> None:
    added = await harness.engine.add(plant(tmp_path / "src", MANY))
    await harness.engine.mv(ROOT, "viking://resources/there")
    await harness.settle()
    task = await harness.engine.tasks.get(added.task_id)
    assert (task.status, task.resource_id) == (TaskStatus.COMPLETED, "viking://resources/there")
    assert sorted(await harness.texts_below("viking://resources/there")) == sorted(MANY)
    with pytest.raises(NotFound):
        await harness.engine.stat(ROOT)


@pytest.mark.parametrize("call", [1, 40, 70])
async def test_a_place_moved_meanwhile_gets_the_rest_too(harness: Harness, tmp_path: Path, call: int) -> None:
    added = await harness.engine.add(plant(tmp_path / "src", MANY))
    await run_with(harness, call, lambda: harness.engine.mv(ROOT, "viking://resources/deep/there"))
    result = (await harness.engine.tasks.get(added.task_id)).result or {}
    assert (result["root_uri"], result["new"]) == ("viking://resources/deep/there", len(MANY))
    assert sorted(await harness.texts_below("viking://resources/deep/there")) == sorted(MANY)
    with pytest.raises(NotFound):
        await harness.engine.stat(ROOT)


class Overtaken:
    """A ledger where somebody else commits just before this caller's ``nth`` commit."""

    def __init__(self, ledger: Ledger, nth: int, act: Callable[[], Awaitable[object]]) -> None:
        self._ledger, self._left, self._act = ledger, nth, act

    def tenant(self, caller: Caller) -> Tenant:
        tenant = self._ledger.tenant(caller)
        inner = tenant.commit

        async def commit(commit: Commit, **options: Any) -> Receipt:
            self._left -= 1
            if self._left == 0:
                await self._act()
            return await inner(commit, **options)

        tenant.commit = commit  # type: ignore[method-assign]
        return tenant

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


def overtaken(harness: Harness, nth: int, act: Callable[[], Awaitable[object]]) -> Harness:
    ports = replace(harness.ports, ledger=Overtaken(harness.ports.ledger, nth, act))
    engine = type(harness.engine)(ports, harness.engine.config, harness.engine.caller, harness.engine._housekeeping)
    return replace(harness, ports=ports, engine=engine)


async def test_two_imports_that_choose_a_place_at_once_get_two(harness: Harness, tmp_path: Path) -> None:
    one, two = plant(tmp_path / "1" / "src", {"a.md": "one"}), plant(tmp_path / "2" / "src", {"a.md": "two"})
    late = overtaken(harness, 1, lambda: harness.engine.add(two, origin="two"))
    added = await late.engine.add(one, origin="one")
    await harness.settle()
    assert str(added.root_uri) == f"{ROOT}_1"
    assert (await harness.texts_below(ROOT), await harness.texts_below(f"{ROOT}_1")) == (
        {"a.md": "two"},
        {"a.md": "one"},
    )


async def test_two_imports_of_one_origin_at_once_share_its_place(harness: Harness, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", {"a.md": "one"})
    late = overtaken(harness, 1, lambda: harness.engine.add(folder, origin="one"))
    assert str((await late.engine.add(folder, origin="one")).root_uri) == ROOT
    await harness.settle()
    assert (await harness.texts_below(ROOT)) == {"a.md": "one"}


async def test_two_files_of_one_name_at_once_get_two_places(harness: Harness, tmp_path: Path) -> None:
    one, two = (plant(tmp_path / str(i), {"guide.md": f"text {i}"}) / "guide.md" for i in (1, 2))
    late = overtaken(harness, 1, lambda: harness.engine.add(two, origin="two", as_file=True))
    added = await late.engine.add(one, origin="one", as_file=True)
    await harness.settle()
    assert str(added.root_uri) == "viking://resources/guide_1.md"
    assert await harness.engine.read("viking://resources/guide.md") == "text 2"
    assert await harness.engine.read("viking://resources/guide_1.md") == "text 1"


@pytest.mark.parametrize("nth", range(1, 5))
async def test_an_edit_between_any_two_commits_of_an_import_is_never_lost(
    harness: Harness, tmp_path: Path, nth: int
) -> None:
    folder = plant(tmp_path / "src", {"a.md": "heron", "b.md": "stork", "c.md": "crane", "gone.md": "ibis"})
    await harness.add(folder, origin="here")
    plant(folder, {"a.md": "heron runs", "new.md": "new"})
    (folder / "gone.md").unlink()
    (folder / "c.md").rename(folder / "moved.md")

    async def edits() -> None:
        for name in ("a.md", "gone.md"):
            await harness.write(f"{ROOT}/{name}", "my words")

    added = await harness.engine.add(folder, origin="here")
    late = overtaken(harness, nth, edits)
    await run_job(await harness.lease_of("import"), late.ports)
    await harness.settle()
    task, texts = await harness.engine.tasks.get(added.task_id), await harness.texts_below(ROOT)
    assert task.status is TaskStatus.COMPLETED
    assert (texts["a.md"], texts["gone.md"], texts["moved.md"], texts["new.md"]) == (
        "my words",
        "my words",
        "crane",
        "new",
    )


class Killed(BaseException):
    """The end of a process, as far as a step can tell."""


@pytest.mark.parametrize("nth", range(1, 9))
async def test_an_import_killed_before_any_of_its_commits_does_the_rest_once(
    harness: Harness, tmp_path: Path, nth: int
) -> None:
    files = {f"{i:03d}.md": f"bird {i}" for i in range(40)}
    folder = plant(tmp_path / "src", files)
    await harness.add(folder, origin="here")
    plant(folder, {"000.md": "other bird", "new.md": "new", "x/y.md": "deep"})
    (folder / "001.md").unlink()
    (folder / "002.md").rename(folder / "x" / "moved.md")
    added = await harness.engine.add(folder, origin="here")

    async def dies() -> None:
        raise Killed

    try:
        await run_job(await harness.lease_of("import"), overtaken(harness, nth, dies).ports)
    except Killed:
        await harness.ports.jobs.release(worker="harness")
    await harness.settle()
    result = (await harness.engine.tasks.get(added.task_id)).result or {}
    assert {k: result[k] for k in ("new", "changed", "moved", "removed", "unchanged")} == {
        "new": 2,
        "changed": 1,
        "moved": 1,
        "removed": 1,
        "unchanged": 37,
    }
    assert sorted(await harness.texts_below(ROOT)) == sorted(
        [*(f for f in files if f not in {"001.md", "002.md"}), "new.md", "x/moved.md", "x/y.md"]
    )
