"""Every operation round-trips through the commit codec."""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recalld.adapters.ipc.commit_codec import SLICE_TERMS, PackedCommit, pack, unpack
from recalld.domain.commit import Commit, Op, SetChunks
from recalld.domain.commit_op import CommitOp
from recalld.domain.document import Chunk
from recalld.domain.errors import Corrupt
from recalld.domain.job import NewJob
from recalld.infra.msgpack import decode, encode

# What JSON can hold: payloads and provenance are plain data by contract.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
PLAIN_TYPES: dict[Any, st.SearchStrategy[Any]] = {
    str: texts,
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    bytes: st.binary(max_size=8),
    type(None): st.none(),
    Any: plain,
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of an annotation: plain types, enums, tuples, dicts, unions and dataclasses of these."""
    if kind in PLAIN_TYPES:
        return PLAIN_TYPES[kind]
    arguments = get_args(kind)
    if get_origin(kind) is tuple and arguments[-1] is not Ellipsis:
        return st.tuples(*map(values, arguments))
    if get_origin(kind) is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if get_origin(kind) is dict:
        return st.dictionaries(texts, values(arguments[1]), max_size=3)
    if arguments:
        return st.one_of([values(argument) for argument in arguments])
    if is_dataclass(kind) or issubclass(kind, CommitOp):
        return st.builds(kind, **{name: values(hint) for name, hint in get_type_hints(kind).items()})
    return st.sampled_from(kind)


def crossed(commit: Commit) -> PackedCommit:
    return decode(PackedCommit, encode(pack(commit)))


@pytest.mark.parametrize("kind", get_args(Op), ids=lambda kind: kind.__name__)
async def test_an_operation_arrives_as_it_was_sent(kind: type) -> None:
    sent: list[Commit] = []

    @settings(max_examples=20)
    @given(values(kind))
    def collect(op: Op) -> None:
        sent.append(Commit((op,)))

    collect()
    for commit in sent:
        assert await unpack(crossed(commit)) == commit


async def test_order_jobs_and_cause_arrive_too() -> None:
    ops = tuple(SetChunks(n, n, ()) for n in range(5))
    commit = Commit(ops, (NewJob("parse", "k", {"deep": [1, {"a": None}]}),), done=7, cause="why")
    assert await unpack(crossed(commit)) == commit


async def test_a_large_operation_crosses_in_slices_and_comes_back_whole() -> None:
    chunks = tuple(Chunk(n, n + 1, ("term",) * 100) for n in range(1_000))
    packed = crossed(Commit((SetChunks(1, 1, chunks),)))
    assert packed.ops[0].op == SetChunks(1, 1, ())
    assert len(packed.ops[0].slices) == 100_000 // SLICE_TERMS
    assert await unpack(packed) == Commit((SetChunks(1, 1, chunks),))


class Unlisted(CommitOp, frozen=True):
    """An operation that this version does not have."""


def test_an_operation_that_this_version_does_not_have_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="Unlisted"):
        crossed(Commit((Unlisted(),)))  # type: ignore[arg-type]
