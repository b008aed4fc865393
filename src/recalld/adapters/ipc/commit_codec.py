"""How a commit crosses from the worker to the owner: every operation by its name, large ones in slices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, get_args

from msgspec import Raw

from recalld.domain.commit import Commit, Op, PutFile, SetChunks, SetTiers
from recalld.domain.document import Chunk
from recalld.domain.job import NewJob
from recalld.infra.msgpack import TaggedUnion, decode_slices, encode

OPS = TaggedUnion(*get_args(Op))
SLICE_TERMS = 10_000
"""Terms decoded in one go: about 2 ms."""


@dataclass(frozen=True, slots=True)
class PackedOp:
    """``op``: name and bytes without its chunks; ``chunks``: those in slices, None if it has none of its own."""

    op: tuple[str, Raw]
    chunks: tuple[Raw, ...] | None


@dataclass(frozen=True, slots=True)
class PackedCommit:
    """A ``Commit`` ready to cross."""

    ops: tuple[PackedOp, ...]
    jobs: tuple[NewJob, ...]
    done: int
    cause: str


def pack(commit: Commit) -> PackedCommit:
    """Bytes of every operation. Raises ``Corrupt`` for what is not in the table or is no plain data."""
    return PackedCommit(tuple(_pack_op(op) for op in commit.ops), commit.jobs, commit.done, commit.cause)


async def unpack(packed: PackedCommit) -> Commit:
    """The commit back, letting others run between slices. Raises ``Corrupt``."""
    ops = [await _unpack_op(op) for op in packed.ops]
    return Commit(tuple(ops), packed.jobs, packed.done, packed.cause)


def _pack_op(op: Op) -> PackedOp:
    match op:
        case PutFile() | SetChunks() | SetTiers() if op.chunks:
            return PackedOp(OPS.pack(replace(op, chunks=())), _slices(op.chunks))
        case _:
            return PackedOp(OPS.pack(op), None)


def _slices(chunks: tuple[Chunk, ...]) -> tuple[Raw, ...]:
    slices: list[Raw] = []
    start = terms = 0
    for at, chunk in enumerate(chunks):
        if terms and terms + len(chunk.terms) > SLICE_TERMS:
            slices.append(encode(chunks[start:at]))
            start, terms = at, 0
        terms += len(chunk.terms)
    slices.append(encode(chunks[start:]))
    return tuple(slices)


async def _unpack_op(packed: PackedOp) -> Any:
    op = OPS.unpack(packed.op)
    if packed.chunks is None:
        return op
    slices = await decode_slices(tuple[Chunk, ...], packed.chunks)
    return replace(op, chunks=tuple(chunk for part in slices for chunk in part))
