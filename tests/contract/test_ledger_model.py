"""The ledger's tree against a model (a dict), over any sequence of operations."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recalld.domain.commit import Copy, MakeDir, Move, Remove, WriteMode
from recalld.domain.errors import RecalldError
from recalld.domain.uri import Uri
from tests.contract.ledger_harness import LedgerHarness, open_harness, put
from tests.contract.tree_model import TreeModel, TreeOp

# Few names, so that operations meet.
paths = st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map(lambda names: "/".join(("resources", *names)))
uris = paths.map(lambda path: Uri(tuple(path.split("/"))))
writes = st.tuples(paths, st.sampled_from(["one", "two"]), st.sampled_from(WriteMode))
operations = st.one_of(
    writes.map(lambda w: put(w[0], w[1], mode=w[2])),
    st.builds(MakeDir, uris, st.booleans()),
    st.builds(Remove, uris, st.booleans()),
    st.builds(Move, uris, uris),
    st.builds(Copy, uris, uris, st.booleans()),
)


@pytest.mark.loop_may_block  # every example makes and removes a folder of its own
@given(st.lists(operations, min_size=1, max_size=25))
@settings(max_examples=40, deadline=None)
def test_the_tree_is_what_a_dict_would_be(ops: list[TreeOp]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_compared(Path(folder), ops))


async def _compared(folder: Path, ops: list[TreeOp]) -> None:
    harness, model = await open_harness(folder / "data"), TreeModel()
    try:
        for op in ops:
            expected = _outcome_of_model(model, op)
            assert await _outcome(harness, op) == expected, op
            assert await _entries(harness) == model.below(("resources",)), op
        await harness.ledger.cleanup.purge(nodes_max=10_000)
        assert await harness.ledger.maintenance.check() == []
        assert await _entries(harness) == model.below(("resources",))
    finally:
        await harness.ledger.close()


def _outcome_of_model(model: TreeModel, op: TreeOp) -> str:
    try:
        model.do(op)
    except RecalldError as refused:
        return type(refused).__name__
    return "done"


async def _outcome(harness: LedgerHarness, op: TreeOp) -> str:
    try:
        await harness.do(op)
    except RecalldError as refused:
        return type(refused).__name__
    return "done"


async def _entries(harness: LedgerHarness) -> dict[tuple[str, ...], str | None]:
    found: dict[tuple[str, ...], str | None] = {("resources",): None}
    for entry in await harness.tenant().walk(Uri(("resources",)), depth_max=10, nodes_max=1_000):
        uri = entry.node.uri
        found[uri.parts] = None if entry.node.is_dir else (await harness.tenant().read(uri)).decode()
    return found
