"""Undoing any change gives the tree before it; undoing the undo gives the tree after it."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recalld.domain.errors import NotFound, RecalldError
from recalld.domain.results import Operation
from recalld.domain.uri import Uri
from tests.harness import Harness, harness_at

paths = st.sampled_from(["a", "a/x", "a/y", "b", "b/x", "b/c/x"]).map(lambda path: f"viking://resources/{path}")
texts = st.sampled_from(["one", "two", "three"])
changes = st.one_of(
    st.tuples(st.just("write"), paths, texts),
    st.tuples(st.just("many"), st.lists(st.tuples(paths, texts), min_size=1, max_size=3, unique_by=lambda p: p[0])),
    st.tuples(st.just("rm"), paths),
    st.tuples(st.just("mv"), paths, paths),
    st.tuples(st.just("cp"), paths, paths),
    st.tuples(st.just("tags"), paths, st.sampled_from(["k=1", "k=2"])),
)


async def do(harness: Harness, change: tuple[Any, ...]) -> None:
    match change:
        case ("write", uri, text):
            await harness.write(uri, text)
        case ("many", pairs):
            batch = [Operation(Uri.parse(u), t.encode()) for u, t in pairs]
            await harness.engine.write_many("viking://resources", batch, wait=False)
        case ("rm", uri):
            await harness.engine.rm(uri, recursive=True)
        case ("mv", source, to):
            await harness.engine.mv(source, to)
        case ("cp", source, to):
            await harness.engine.cp(source, to, recursive=True)
        case ("tags", uri, tag):
            await harness.engine.index.set_tags(uri, [tag])


async def tree(harness: Harness) -> dict[str, tuple[str, tuple[str, ...]]]:
    try:
        entries = await harness.engine.tree("viking://resources", depth=20)
    except NotFound:
        return {}
    files = [e.node for e in entries if not e.node.is_dir]
    return {str(n.uri): (await harness.engine.read(str(n.uri)), n.tags) for n in files}


@pytest.mark.loop_may_block  # every example makes and removes a folder of its own
@given(st.lists(changes, min_size=1, max_size=6), st.booleans())
@settings(max_examples=20, deadline=None)
def test_undo_gives_the_tree_from_before_and_its_undo_the_tree_from_after(
    steps: list[tuple[Any, ...]], settled: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compared(Path(folder), steps, settled=settled))


async def compared(folder: Path, steps: list[tuple[Any, ...]], *, settled: bool) -> None:
    async with harness_at(folder / "data") as harness:
        verbs = harness.engine.history
        for change in [("write", "viking://resources/a/x", "zero"), *steps]:
            before, end = await tree(harness), await harness.seq()
            try:
                await do(harness, change)
            except RecalldError:
                assert await tree(harness) == before
                continue
            after = await tree(harness)
            if settled:
                await harness.settle()
            if after == before:
                continue
            seq = min(e.seq for e in (await verbs.log(after=end, limit=500)).entries)
            undone = await verbs.undo(seq=seq)
            assert undone.plan.skipped == ()
            assert await tree(harness) == before, change
            await verbs.undo(cause=undone.cause)
            assert await tree(harness) == after, change
        await harness.settle()
        assert await harness.engine.check() == []
