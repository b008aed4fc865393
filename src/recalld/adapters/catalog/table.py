"""Columns of chosen chunks from several spaces, put side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recalld.ports.index import ChunkTable, Ids

from .arrays import places
from .space import Chunks

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
    previous = places(ids, whole["previous"])
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


def with_neighbours(
    chunks: Chunks, reach: NDArray[np.int64], rows: NDArray[np.int64], around: int
) -> NDArray[np.int64]:
    """``rows``, which are inside ``reach``, and up to ``around`` rows before and after each in its group."""
    ids, previous = chunks.columns["id"], chunks.columns["previous"]
    mask = np.zeros(len(ids), np.bool_)
    mask[rows] = True
    back = ahead = rows
    inside = np.zeros(len(ids), np.bool_)
    inside[reach] = True
    following = np.full(len(ids), -1, np.int64)
    links = places(ids, previous[reach])
    has = links >= 0
    following[links[has]] = reach[has]
    for _ in range(around):
        links = places(ids, previous[back])
        back = links[links >= 0].astype(np.int64)
        ahead = following[ahead]
        ahead = ahead[ahead >= 0]
        mask[back] = True
        mask[ahead] = True
    return np.flatnonzero(mask & inside)
