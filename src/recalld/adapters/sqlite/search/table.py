"""Tables of selected chunks from several partitions, and their reading order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recalld.ports.index import CandidateRows, Ids

from .arrays import row_of
from .partition_index import Chunks

_PLAIN = ("node", "group", "length", "at", "kind", "level", "asks", "traits")


def table_of(chunks: Sequence[Chunks], rows: Sequence[NDArray[np.int64]]) -> CandidateRows:
    """Return one table, sorted by id. ``rows``: per partition, ascending row numbers. Ids of different partitions
    interleave."""
    names = (*_PLAIN, "id", "previous", "speaker")
    picked = [{name: view.columns[name][r] for name in names} for view, r in zip(chunks, rows, strict=True)]
    speakers: dict[str, int] = {}
    for view, part in zip(chunks, picked, strict=True):
        if view.speakers:
            numbers = np.array([speakers.setdefault(n, len(speakers)) for n in view.speakers] + [-1], np.int32)
            part["speaker"] = numbers[part["speaker"]]
    none = dict.fromkeys(names, np.zeros(0, np.int64))
    whole = {name: np.concatenate([part[name] for part in picked]) for name in names} if picked else none
    if sum(1 for r in rows if len(r)) > 1:
        order = np.argsort(whole["id"], kind="stable")
        whole = {name: column[order] for name, column in whole.items()}
    ids: Ids = whole["id"]
    previous = row_of(ids, whole["previous"])
    # Link again after filtering: a link never leaves its group.
    previous[(previous >= 0) & (whole["group"][previous] != whole["group"])] = -1
    following = np.full(len(ids), -1, np.int32)
    has = np.flatnonzero(previous >= 0)
    following[previous[has]] = has
    plain: dict[str, Any] = {name: whole[name] for name in _PLAIN}
    return CandidateRows(
        # A directory's tiers are hits of their own; of any other node the best chunk represents the whole.
        entry=whole["node"] * 4 + (whole["kind"] == 2) * (whole["level"] + 1),
        ids=ids,
        previous=previous,
        next=following,
        speaker=whole["speaker"].astype(np.int32),
        speakers=tuple(speakers),
        **plain,
    )


@dataclass(frozen=True, slots=True)
class ReadingOrder:
    """A scope's ``rows`` of a partition: their ``ids``, and the index here of the chunk ``before`` and ``after`` each, -1 if
    that is not in scope. Its size is that of the scope, not of the partition."""

    rows: NDArray[np.int64]
    ids: Ids
    before: NDArray[np.int32]
    after: NDArray[np.int32]


def reading_order_of(chunks: Chunks, rows: NDArray[np.int64]) -> ReadingOrder:
    """Return the reading order of all rows in scope. Computed once a snapshot, not once a query."""
    ids = chunks.columns["id"][rows]
    before = row_of(ids, chunks.columns["previous"][rows])
    after = np.full(len(rows), -1, np.int32)
    has = np.flatnonzero(before >= 0)
    after[before[has]] = has
    return ReadingOrder(rows, ids, before, after)


def with_neighbours(order: ReadingOrder, ids: Ids, around: int) -> NDArray[np.int64]:
    """Return rows of the ``ids`` in scope, and of up to ``around`` chunks before and after each in its group."""
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
