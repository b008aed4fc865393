"""Imports and what others do at the same time: places, moves, removals, edits between any two steps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recalld.adapters.model.extractive import ExtractiveModel
from recalld.app.worker import run_job
from recalld.domain.commit import Commit, Receipt
from recalld.domain.document import Document, Tiers
from recalld.domain.errors import NotFound
from recalld.domain.job import TaskStatus
from recalld.ports.ledger import Ledger, Tenant
from tests.house_fixture import House, plant

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


async def run_with(house: House, call: int, act: Callable[[], Awaitable[object]]) -> None:
    model = Meanwhile(call, act)
    await run_job(await house.lease_of("import"), replace(house.ports, model=model))
    await model.close()
    await house.settle()


async def test_a_place_removed_before_the_worker_comes_cancels_its_import(house: House, tmp_path: Path) -> None:
    added = await house.r.add(plant(tmp_path / "src", MANY))
    await house.r.rm(ROOT, recursive=True)
    assert (await house.r.task(added.task_id)).status is TaskStatus.CANCELLED
    await house.settle()
    with pytest.raises(NotFound):
        await house.r.stat(ROOT)


@pytest.mark.parametrize("removed", [ROOT, "viking://resources/above"])
@pytest.mark.parametrize("call", [1, 40, 70])
async def test_a_place_removed_meanwhile_stays_removed(house: House, tmp_path: Path, removed: str, call: int) -> None:
    to = ROOT if removed == ROOT else f"{removed}/src"
    added = await house.r.add(plant(tmp_path / "src", MANY), to=to)
    await run_with(house, call, lambda: house.r.rm(removed, recursive=True))
    assert (await house.r.task(added.task_id)).status is TaskStatus.CANCELLED
    with pytest.raises(NotFound):
        await house.r.stat(removed)


async def test_a_place_removed_and_made_by_somebody_else_gets_nothing_of_it(house: House, tmp_path: Path) -> None:
    added = await house.r.add(plant(tmp_path / "src", MANY))

    async def replaced() -> None:
        await house.r.rm(ROOT, recursive=True)
        await house.write(f"{ROOT}/mine.md", "mine")

    await run_with(house, 40, replaced)
    assert (await house.r.task(added.task_id)).status is TaskStatus.CANCELLED
    assert await house.texts_below(ROOT) == {"mine.md": "mine"}


async def test_a_place_moved_before_the_worker_comes_takes_its_import_along(house: House, tmp_path: Path) -> None:
    added = await house.r.add(plant(tmp_path / "src", MANY))
    await house.r.mv(ROOT, "viking://resources/there")
    await house.settle()
    task = await house.r.task(added.task_id)
    assert (task.status, task.resource_id) == (TaskStatus.COMPLETED, "viking://resources/there")
    assert sorted(await house.texts_below("viking://resources/there")) == sorted(MANY)
    with pytest.raises(NotFound):
        await house.r.stat(ROOT)


@pytest.mark.parametrize("call", [1, 40, 70])
async def test_a_place_moved_meanwhile_gets_the_rest_too(house: House, tmp_path: Path, call: int) -> None:
    added = await house.r.add(plant(tmp_path / "src", MANY))
    await run_with(house, call, lambda: house.r.mv(ROOT, "viking://resources/deep/there"))
    result = (await house.r.task(added.task_id)).result or {}
    assert (result["root_uri"], result["new"]) == ("viking://resources/deep/there", len(MANY))
    assert sorted(await house.texts_below("viking://resources/deep/there")) == sorted(MANY)
    with pytest.raises(NotFound):
        await house.r.stat(ROOT)


class Overtaken:
    """A ledger where somebody else commits just before this caller's ``nth`` commit."""

    def __init__(self, ledger: Ledger, nth: int, act: Callable[[], Awaitable[object]]) -> None:
        self._ledger, self._left, self._act = ledger, nth, act

    def tenant(self, *args: Any, **options: Any) -> Tenant:
        tenant = self._ledger.tenant(*args, **options)
        inner = tenant.commit

        async def commit(commit: Commit) -> Receipt:
            self._left -= 1
            if self._left == 0:
                await self._act()
            return await inner(commit)

        tenant.commit = commit  # type: ignore[method-assign]
        return tenant

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


def overtaken(house: House, nth: int, act: Callable[[], Awaitable[object]]) -> House:
    ports = replace(house.ports, ledger=Overtaken(house.ports.ledger, nth, act))
    engine = type(house.r)(ports, house.r.config, house.r.caller, house.r._housekeeping)
    return replace(house, ports=ports, r=engine)


async def test_two_imports_that_choose_a_place_at_once_get_two(house: House, tmp_path: Path) -> None:
    one, two = plant(tmp_path / "1" / "src", {"a.md": "one"}), plant(tmp_path / "2" / "src", {"a.md": "two"})
    late = overtaken(house, 1, lambda: house.r.add(two, origin="two"))
    added = await late.r.add(one, origin="one")
    await house.settle()
    assert str(added.root_uri) == f"{ROOT}_1"
    assert (await house.texts_below(ROOT), await house.texts_below(f"{ROOT}_1")) == ({"a.md": "two"}, {"a.md": "one"})


async def test_two_imports_of_one_origin_at_once_share_its_place(house: House, tmp_path: Path) -> None:
    folder = plant(tmp_path / "src", {"a.md": "one"})
    late = overtaken(house, 1, lambda: house.r.add(folder, origin="one"))
    assert str((await late.r.add(folder, origin="one")).root_uri) == ROOT
    await house.settle()
    assert (await house.texts_below(ROOT)) == {"a.md": "one"}


async def test_two_files_of_one_name_at_once_get_two_places(house: House, tmp_path: Path) -> None:
    one, two = (plant(tmp_path / str(i), {"guide.md": f"text {i}"}) / "guide.md" for i in (1, 2))
    late = overtaken(house, 1, lambda: house.r.add(two, origin="two", as_file=True))
    added = await late.r.add(one, origin="one", as_file=True)
    await house.settle()
    assert str(added.root_uri) == "viking://resources/guide_1.md"
    assert await house.r.read("viking://resources/guide.md") == "text 2"
    assert await house.r.read("viking://resources/guide_1.md") == "text 1"


@pytest.mark.parametrize("nth", range(1, 5))
async def test_an_edit_between_any_two_commits_of_an_import_is_never_lost(
    house: House, tmp_path: Path, nth: int
) -> None:
    folder = plant(tmp_path / "src", {"a.md": "heron", "b.md": "stork", "c.md": "crane", "gone.md": "ibis"})
    await house.add(folder, origin="here")
    plant(folder, {"a.md": "heron runs", "new.md": "new"})
    (folder / "gone.md").unlink()
    (folder / "c.md").rename(folder / "moved.md")

    async def edits() -> None:
        for name in ("a.md", "gone.md"):
            await house.write(f"{ROOT}/{name}", "my words")

    added = await house.r.add(folder, origin="here")
    late = overtaken(house, nth, edits)
    await run_job(await house.lease_of("import"), late.ports)
    await house.settle()
    task, texts = await house.r.task(added.task_id), await house.texts_below(ROOT)
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
    house: House, tmp_path: Path, nth: int
) -> None:
    files = {f"{i:03d}.md": f"bird {i}" for i in range(40)}
    folder = plant(tmp_path / "src", files)
    await house.add(folder, origin="here")
    plant(folder, {"000.md": "other bird", "new.md": "new", "x/y.md": "deep"})
    (folder / "001.md").unlink()
    (folder / "002.md").rename(folder / "x" / "moved.md")
    added = await house.r.add(folder, origin="here")

    async def dies() -> None:
        raise Killed

    try:
        await run_job(await house.lease_of("import"), overtaken(house, nth, dies).ports)
    except Killed:
        await house.ports.ledger.release(worker="house")
    await house.settle()
    result = (await house.r.task(added.task_id)).result or {}
    assert {k: result[k] for k in ("new", "changed", "moved", "removed", "unchanged")} == {
        "new": 2,
        "changed": 1,
        "moved": 1,
        "removed": 1,
        "unchanged": 37,
    }
    assert sorted(await house.texts_below(ROOT)) == sorted(
        [*(f for f in files if f not in {"001.md", "002.md"}), "new.md", "x/moved.md", "x/y.md"]
    )
