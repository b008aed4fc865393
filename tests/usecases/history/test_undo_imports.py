"""Undoing an import by its task restores the earlier tree, tags and import records."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from recalld.domain.job import Task
from tests.harness import Harness, plant

TOP = "viking://resources/birds"
LONG = "".join(f"# Part {n}\n\n{'amber birch cedar delta ' * 200}\n\n" for n in range(6))


async def everything(harness: Harness) -> dict[str, Any]:
    entries = await harness.engine.tree(TOP, depth=20)
    return {
        e.rel_path: (
            e.node.is_dir,
            e.node.tags,
            e.node.source,
            "" if e.node.is_dir else await harness.engine.read(str(e.node.uri)),
        )
        for e in entries
    }


async def again(harness: Harness, folder: Path, **more: Any) -> Task:
    return await harness.add(folder, to=TOP, origin="birds", confirm_removals=True, **more)


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
async def birds(harness: Harness, tmp_path: Path) -> Path:
    folder = plant(
        tmp_path / "birds",
        {
            "changed.md": "about herons", "moved.md": "about swifts and how they sleep", "removed.md": "about terns",
            "same.md": "about robins", "deep/er/gone.md": "about wrens", "long.md": LONG,
        },
    )  # fmt: skip
    await again(harness, folder, tags=["kind=bird"])
    return folder


async def test_a_re_add_is_undone_and_its_undo_is_undone(harness: Harness, birds: Path) -> None:
    await harness.engine.index.set_tags(f"{TOP}/changed.md", ["kind=bird", "mine=yes"])
    before = await everything(harness)
    task = await again(harness, changed_source(birds), tags=["kind=water", "seen=2"])
    result = task.result or {}
    assert (result["new"], result["changed"], result["moved"], result["removed"]) == (1, 2, 1, 2)
    after = await everything(harness)
    assert after != before
    undone = await harness.engine.history.undo(cause=task.id)
    assert undone.plan.skipped == ()
    assert await everything(harness) == before
    await harness.settle()
    assert await everything(harness) == before
    assert (await harness.found("wrens"))[0] == f"{TOP}/deep/er/gone.md"
    await harness.engine.history.undo(cause=undone.cause)
    assert await everything(harness) == after
    await harness.settle()
    assert await everything(harness) == after
    assert (await harness.found("kestrels"))[0] == f"{TOP}/new/fresh.md"
    assert await harness.engine.check() == []


async def test_an_undone_import_can_be_repeated_without_conflicts(harness: Harness, birds: Path) -> None:
    task = await again(harness, changed_source(birds))
    after = await everything(harness)
    await harness.engine.history.undo(cause=task.id)
    result = (await again(harness, birds)).result or {}
    assert (result["new"], result["changed"], result["moved"], result["removed"]) == (1, 2, 1, 2)
    assert result["conflicts"] == []
    assert await everything(harness) == after


async def test_files_written_since_a_reimport_stay_and_are_named(harness: Harness, birds: Path) -> None:
    before = await everything(harness)
    task = await again(harness, changed_source(birds))
    await harness.write(f"{TOP}/changed.md", "mine")
    await harness.write(f"{TOP}/removed.md", "mine as well")
    undone = await harness.engine.history.undo(cause=task.id)
    assert {k.uri for k in undone.plan.skipped} == {f"{TOP}/changed.md", f"{TOP}/removed.md"}
    now = await everything(harness)
    assert {p: v for p, v in now.items() if p not in {"changed.md", "removed.md"}} == {
        p: v for p, v in before.items() if p not in {"changed.md", "removed.md"}
    }
    assert (now["changed.md"][3], now["removed.md"][3]) == ("mine", "mine as well")
