"""Columns of chosen chunks from several spaces, put side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recalld.ports.index import ChunkTable, Ids

from .arrays import row_of
from .partition_index import Chunks

_PLAIN = ("node", "group", "length", "at", "kind", "level", "asks")


def table_of(chunks: Sequence[Chunks], rows: Sequence[NDArray[np.int64]]) -> ChunkTable:
    """``rows``: per space, ascending row numbers. Ids of different owners interleave: rows come out sorted by id."""
    names = (*_PLAIN, "id", "previous", "speaker")
    picked = [{name: held.columns[name][r] for name in names} for held, r in zip(chunks, rows, strict=True)]
    speakers: dict[str, int] = {}
    for held, part in zip(chunks, picked, strict=True):
        if held.speakers:
            renamed = np.array([speakers.setdefault(n, len(speakers)) for n in held.speakers] + [-1], np.int32)
            part["speaker"] = renamed[part["speaker"]]
    whole = {name: np.concatenate([part[name] for part in picked]) for name in picked[0]} if picked else {}
    if not whole:
        return empty_table()
    if sum(1 for r in rows if len(r)) > 1:
        order = np.argsort(whole["id"], kind="stable")
        whole = {name: column[order] for name, column in whole.items()}
    ids: Ids = whole["id"]
    previous = row_of(ids, whole["previous"])
    # Knit once more after filtering: a link never leaves its group.
    previous[(previous >= 0) & (whole["group"][previous] != whole["group"])] = -1
    following = np.full(len(ids), -1, np.int32)
    has = np.flatnonzero(previous >= 0)
    following[previous[has]] = has
    plain: dict[str, Any] = {name: whole[name] for name in _PLAIN}
    return ChunkTable(
        ids=ids,
        previous=previous,
        next=following,
        speaker=whole["speaker"].astype(np.int32),
        speakers=tuple(speakers),
        **plain,
    )


def empty_table() -> ChunkTable:
    """No rows."""
    none = np.zeros(0, np.int64)
    return ChunkTable(
        none, none, none, none.astype(np.int32), none.astype(np.int32), none.astype(np.float32), none.astype(np.float64),
        none.astype(np.int8), none.astype(np.int8), none.astype(np.int32), none.astype(np.bool_), (),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReadingOrder:
    """a scope's ``rows`` of a space in reading order: their ``ids``, and the place in this line of what comes ``before`` and
    ``after`` each, -1 if that is not in scope. As long as the scope, however much lies beside it."""

    rows: NDArray[np.int64]
    ids: Ids
    before: NDArray[np.int32]
    after: NDArray[np.int32]


def reading_order_of(chunks: Chunks, rows: NDArray[np.int64]) -> ReadingOrder:
    """Work for every row in scope: once for a view, not once for a question."""
    ids = chunks.columns["id"][rows]
    before = row_of(ids, chunks.columns["previous"][rows])
    after = np.full(len(rows), -1, np.int32)
    has = np.flatnonzero(before >= 0)
    after[before[has]] = has
    return ReadingOrder(rows, ids, before, after)


def with_neighbours(order: ReadingOrder, ids: Ids, around: int) -> NDArray[np.int64]:
    """Rows of those of ``ids`` that are in scope, and of up to ``around`` more before and after each in its group."""
    at = row_of(order.ids, ids)
    back = ahead = at[at >= 0]
    mask = np.zeros(len(order.ids), np.bool_)
    mask[back] = True
    for _ in range(around):
        back, ahead = order.before[back], order.after[ahead]
        back, ahead = back[back >= 0], ahead[ahead >= 0]
        mask[back] = True
        mask[ahead] = True
    return order.rows[mask]
