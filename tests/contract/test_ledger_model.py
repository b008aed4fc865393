"""The ledger's tree against a model that is nothing but a dict, over any operations in any order."""

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
from tests.contract.ledger_house import House, open_house, put
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
    house, model = await open_house(folder / "data"), TreeModel()
    try:
        for op in ops:
            expected = _outcome_of_model(model, op)
            assert await _outcome(house, op) == expected, op
            assert await _entries(house) == model.below(("resources",)), op
        await house.ledger.purge(nodes_max=10_000)
        assert await house.ledger.check() == []
        assert await _entries(house) == model.below(("resources",))
    finally:
        await house.ledger.close()


def _outcome_of_model(model: TreeModel, op: TreeOp) -> str:
    try:
        model.do(op)
    except RecalldError as refused:
        return type(refused).__name__
    return "done"


async def _outcome(house: House, op: TreeOp) -> str:
    try:
        await house.do(op)
    except RecalldError as refused:
        return type(refused).__name__
    return "done"


async def _entries(house: House) -> dict[tuple[str, ...], str | None]:
    found: dict[tuple[str, ...], str | None] = {("resources",): None}
    for entry in await house.tenant().walk(Uri(("resources",)), depth_max=10, nodes_max=1_000):
        uri = entry.node.uri
        found[uri.parts] = None if entry.node.is_dir else (await house.tenant().read(uri)).decode()
    return found
