"""How a commit crosses from the worker to the owner: its operations as a tagged union, their chunks in slices."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Raw

from recalld.domain.commit import Commit, Op, PutFile, SetChunks, SetTiers
from recalld.domain.document import Chunk
from recalld.domain.job import NewJob
from recalld.infra.msgpack import decode_slices, encode

SLICE_TERMS = 10_000
"""Terms decoded in one go: about 2 ms."""


@dataclass(frozen=True, slots=True)
class PackedOp:
    """``op``: without its chunks where ``slices`` holds them."""

    op: Op
    slices: tuple[Raw, ...] = ()


@dataclass(frozen=True, slots=True)
class PackedCommit:
    """A ``Commit`` ready to cross."""

    ops: tuple[PackedOp, ...]
    jobs: tuple[NewJob, ...]
    done: int
    cause: str


def pack(commit: Commit) -> PackedCommit:
    """Return the commit with long lists of chunks as bytes. Raises ``Corrupt`` for what is no plain data."""
    return PackedCommit(tuple(_pack_op(op) for op in commit.ops), commit.jobs, commit.done, commit.cause)


async def unpack(packed: PackedCommit) -> Commit:
    """Return the commit, letting others run between slices. Raises ``Corrupt``."""
    ops = [await _unpack_op(one) for one in packed.ops]
    return Commit(tuple(ops), packed.jobs, packed.done, packed.cause)


def _pack_op(op: Op) -> PackedOp:
    match op:
        case PutFile() | SetChunks() | SetTiers() if op.chunks:
            return PackedOp(op.replace(chunks=()), _slices(op.chunks))
    return PackedOp(op)


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


async def _unpack_op(packed: PackedOp) -> Op:
    if not packed.slices:
        return packed.op
    slices = await decode_slices(tuple[Chunk, ...], packed.slices)
    return packed.op.replace(chunks=tuple(chunk for part in slices for chunk in part))
