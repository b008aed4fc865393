"""Undoing an import by its task: the tree as it was before, to the tags and to what the next import knows of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from recalld.app.history import HistoryVerbs
from recalld.app.tending import TendingVerbs
from recalld.domain.job import Task
from tests.house_fixture import House, plant

TOP = "viking://resources/birds"
LONG = "".join(f"# Part {n}\n\n{'amber birch cedar delta ' * 200}\n\n" for n in range(6))


async def everything(house: House) -> dict[str, Any]:
    entries = await house.r.tree(TOP, depth=20)
    return {
        e.rel_path: (
            e.node.is_dir,
            e.node.tags,
            e.node.source,
            "" if e.node.is_dir else await house.r.read(str(e.node.uri)),
        )
        for e in entries
    }


async def again(house: House, folder: Path, **more: Any) -> Task:
    return await house.add(folder, to=TOP, origin="birds", confirm_removals=True, **more)


def changed_source(folder: Path) -> Path:
    (folder / "changed.md").write_text("now about otters")
    (folder / "new").mkdir()
    (folder / "new/fresh.md").write_text("about kestrels")
    shutil.move(folder / "moved.md", folder / "new/moved_on.md")
    (folder / "removed.md").unlink()
    shutil.rmtree(folder / "deep")
    (folder / "long.md").write_text("short now")
    return folder


@pytest.fixture
async def birds(house: House, tmp_path: Path) -> Path:
    folder = plant(
        tmp_path / "birds",
        {
            "changed.md": "about herons", "moved.md": "about swifts and how they sleep", "removed.md": "about terns",
            "same.md": "about robins", "deep/er/gone.md": "about wrens", "long.md": LONG,
        },
    )  # fmt: skip
    await again(house, folder, tags=["kind=bird"])
    return folder


async def test_a_re_add_is_undone_and_its_undo_is_undone(house: House, birds: Path) -> None:
    await house.r.verbs(TendingVerbs).set_tags(f"{TOP}/changed.md", ["kind=bird", "mine=yes"])
    before = await everything(house)
    task = await again(house, changed_source(birds), tags=["kind=water", "seen=2"])
    result = task.result or {}
    assert (result["new"], result["changed"], result["moved"], result["removed"]) == (1, 2, 1, 2)
    after = await everything(house)
    assert after != before
    undone = await house.r.verbs(HistoryVerbs).undo(cause=task.id)
    assert undone.plan.kept == ()
    assert await everything(house) == before
    await house.settle()
    assert await everything(house) == before
    assert (await house.found("wrens"))[0] == f"{TOP}/deep/er/gone.md"
    await house.r.verbs(HistoryVerbs).undo(cause=undone.cause)
    assert await everything(house) == after
    await house.settle()
    assert await everything(house) == after
    assert (await house.found("kestrels"))[0] == f"{TOP}/new/fresh.md"
    assert await house.r.check() == []


async def test_what_was_undone_can_be_imported_again_without_conflicts(house: House, birds: Path) -> None:
    task = await again(house, changed_source(birds))
    after = await everything(house)
    await house.r.verbs(HistoryVerbs).undo(cause=task.id)
    result = (await again(house, birds)).result or {}
    assert (result["new"], result["changed"], result["moved"], result["removed"]) == (1, 2, 1, 2)
    assert result["conflicts"] == []
    assert await everything(house) == after


async def test_what_was_written_since_a_re_add_stays_and_is_named(house: House, birds: Path) -> None:
    before = await everything(house)
    task = await again(house, changed_source(birds))
    await house.write(f"{TOP}/changed.md", "mine")
    await house.write(f"{TOP}/removed.md", "mine as well")
    undone = await house.r.verbs(HistoryVerbs).undo(cause=task.id)
    assert {k.uri for k in undone.plan.kept} == {f"{TOP}/changed.md", f"{TOP}/removed.md"}
    now = await everything(house)
    assert {p: v for p, v in now.items() if p not in {"changed.md", "removed.md"}} == {
        p: v for p, v in before.items() if p not in {"changed.md", "removed.md"}
    }
    assert (now["changed.md"][3], now["removed.md"][3]) == ("mine", "mine as well")
