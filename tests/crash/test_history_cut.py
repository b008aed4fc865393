"""Power fails before or after any port call of an undo, a restore, an append or a repeated import: acknowledged changes
stay, others are complete or absent, and repeating the operation after the start gives the state of an uninterrupted run."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from recalld.domain.errors import Conflict
from recalld.usecases.history import undo as undoing
from tests.contract.ledger_harness import sound
from tests.crash.test_power_cut import HASH, PowerCut, Wire, wired
from tests.crash.test_power_cut import invariants as never
from tests.harness import Harness, harness_at, plant

TOP = "viking://resources/birds"
FILES = {f"{folder}/n{n}.md": f"# Note {n}\n\nabout herons {folder} {n}\n" for folder in ("a", "b") for n in range(3)}
LONG = "\n\n".join(f"## Part {n}\n\n" + f"marker{n} " + "amber birch cedar delta ember fjord " * 60 for n in range(40))
Tree = dict[str, str]


async def tree(harness: Harness) -> Tree:
    return await harness.texts_below("viking://resources")


async def add(harness: Harness, folder: Path) -> str:
    added = await harness.engine.add(folder, to=TOP, origin="birds", confirm_removals=True)
    return added.task_id


async def furnish(harness: Harness, folder: Path) -> None:
    await add(harness, plant(folder, FILES))
    await harness.write(f"{TOP}/long.md", LONG)
    await harness.settle()


async def import_again(harness: Harness, folder: Path) -> None:
    await add(harness, changed(folder))
    await harness.settle()


async def undo_import(harness: Harness, folder: Path) -> None:
    task = (await harness.engine.tasks.list())[0]
    await harness.engine.history.undo(cause=task.id)
    await harness.settle()


async def remove_and_restore(harness: Harness, folder: Path) -> None:
    await harness.engine.rm(TOP, recursive=True)
    await harness.settle()
    await harness.engine.history.undo()
    await harness.settle()


async def append(harness: Harness, folder: Path) -> None:
    for n in range(6):
        await harness.write(f"{TOP}/long.md", f"\nline {n} about kestrels", mode="append")
    await harness.settle()


def changed(folder: Path) -> Path:
    (folder / "a/n0.md").write_text("# Other\n\nabout otters\n")
    (folder / "new.md").write_text("# New\n\nabout terns\n")
    (folder / "b/n1.md").unlink(missing_ok=True)
    if (folder / "b/n2.md").exists():
        (folder / "b/n2.md").rename(folder / "moved.md")
    return folder


Story = Callable[[Harness, Path], Awaitable[None]]
STORIES: dict[str, Story] = {s.__name__: s for s in (import_again, undo_import, remove_and_restore, append)}


async def prepared(folder: Path, source: Path, name: str) -> None:
    async with harness_at(folder, **HASH) as harness:
        await furnish(harness, source)
    if name == "undo_import":
        async with harness_at(folder, **HASH) as harness:
            another_day(harness)
            await import_again(harness, source)


def another_day(harness: Harness) -> None:
    """The clock of tests begins anew with every start, and so do its tokens."""
    harness.clock.advance(1_000)
    for _ in range(100):
        harness.clock.token()


async def cut(folder: Path, source: Path, name: str, wire: Wire) -> float:
    async with harness_at(folder, **HASH) as harness:
        another_day(harness)
        try:
            await STORIES[name](wired(harness, wire), source)
        except (PowerCut, BaseExceptionGroup):
            assert wire.dead
        return harness.clock.now()


async def after(folder: Path, now: float) -> Tree:
    async with harness_at(folder, **HASH) as harness:
        harness.clock.advance(now - harness.clock.now() + 1)
        await harness.settle()
        await never(harness)
        found = await tree(harness)
    assert sound(folder)
    return found


async def possible(tmp: Path, name: str) -> tuple[list[Tree], int]:
    """The trees that may be there after a cut at some place, and how many calls there are."""
    await prepared(tmp / "ready", tmp / "ready-source", name)
    folder, source = copied(tmp, "whole")
    async with harness_at(folder, **HASH) as harness:
        before = await tree(harness)
    wire = Wire()
    end = await after(folder, await cut(folder, source, name, wire))
    trees = [before, end]
    if name == "remove_and_restore":
        trees.append({p: t for p, t in before.items() if not p.startswith("birds/")})
    if name == "append":
        long = before["birds/long.md"]
        trees += [
            {**before, "birds/long.md": long + "".join(f"\nline {k} about kestrels" for k in range(n))}
            for n in range(7)
        ]
    return trees, wire.count


def copied(tmp: Path, name: str) -> tuple[Path, Path]:
    """A store that is ready for the story, and its source."""
    shutil.copytree(tmp / "ready", tmp / name)
    shutil.copytree(tmp / "ready-source", tmp / f"{name}-source")
    return tmp / name, tmp / f"{name}-source"


async def once(tmp: Path, name: str, number: int, *, late: bool, trees: list[Tree]) -> None:
    folder, source = copied(tmp, f"cut-{number}-{late}")
    found = await after(folder, await cut(folder, source, name, Wire(number, late)))
    assert found in trees, f"{name} cut at {number}: {sorted(found)}"


@pytest.mark.loop_may_block  # stores are opened and closed over and over by the test itself
@pytest.mark.parametrize("name", STORIES)
async def test_a_power_cut_somewhere(tmp_path: Path, name: str) -> None:
    trees, calls = await possible(tmp_path, name)
    chance = random.Random(int(os.environ.get("RECALLD_SEED", "1")))
    for number in chance.sample(range(1, calls + 1), 1):
        await once(tmp_path, name, number, late=number % 2 == 0, trees=trees)


@pytest.mark.slow
@pytest.mark.loop_may_block
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", STORIES)
async def test_a_power_cut_everywhere(tmp_path: Path, name: str, late: bool) -> None:
    trees, calls = await possible(tmp_path, name)
    for number in range(1, calls + 1):
        await once(tmp_path, name, number, late=late, trees=trees)


@pytest.mark.loop_may_block
@pytest.mark.slow
async def test_an_undo_of_many_steps_that_was_cut_is_done_by_asking_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undoing, "STEPS_PER_COMMIT", 1)
    await prepared(tmp_path / "ready", tmp_path / "ready-source", "undo_import")
    wire, seen = Wire(), 0
    whole, source = copied(tmp_path, "whole")
    await cut(whole, source, "undo_import", wire)
    async with harness_at(whole, **HASH) as harness:
        wanted = await tree(harness)
    for number in range(1, wire.count + 1):
        folder, source = copied(tmp_path, f"cut-{number}")
        now = await cut(folder, source, "undo_import", Wire(number, after=True))
        async with harness_at(folder, **HASH) as harness:
            harness.clock.advance(now - harness.clock.now() + 1)
            seen += (await tree(harness)) != wanted
            task = next(t for t in await harness.engine.tasks.list(limit=50) if t.type == "add_resource")
            try:
                done: Any = await harness.engine.history.undo(cause=task.id)
            except Conflict:
                done = None  # all of it was done already
            assert done is None or done.plan.skipped == ()
            await harness.settle()
            assert await tree(harness) == wanted, number
            await never(harness)
    assert seen > 1
