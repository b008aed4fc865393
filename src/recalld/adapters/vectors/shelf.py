"""One owner's vectors of one model in memory, in order of chunk id."""

from __future__ import annotations

from typing import Any

import apsw
import numpy as np
from numpy.typing import NDArray

from recalld.ports.index import Ids, Scores

PAGE_ROWS = 4_000
FLOAT32_ROWS_MAX = 50_000
"""Reading float16 costs numpy eight times what float32 does; beyond this, memory counts more."""

Matrix = NDArray[np.floating]


class Shelf:
    """``now`` is what readers take: ids ascending and their rows, replaced as one so that a reader on another thread never
    sees half a change. Rows are float32 up to ``FLOAT32_ROWS_MAX`` of them, float16 beyond. ``last``: the largest vector id
    taken over."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.last = 0
        self._ids: Ids = np.zeros(256, np.int64)
        self._data: Matrix = np.zeros((256, width), np.float32)
        self.now: tuple[Ids, Matrix] = (self._ids[:0], self._data[:0])

    def take(self, ids: Ids, data: NDArray[np.float16]) -> None:
        """Add rows; a chunk that comes again replaces its former vector."""
        held, rows = self.now
        if len(ids) and np.all(np.diff(ids) > 0) and (not len(held) or ids[0] > held[-1]):
            self._append(ids, data)
            return
        whole = np.concatenate([held, ids])
        # The later of two equal ids stands further right: keep the last of each.
        unique, first = np.unique(whole[::-1], return_index=True)
        at = len(whole) - 1 - first
        joined = np.concatenate([rows, data.astype(rows.dtype)])[at]
        self._ids, self._data = unique, np.ascontiguousarray(joined)
        self._settle(len(unique))

    def _append(self, ids: Ids, data: NDArray[np.float16]) -> None:
        held = len(self.now[0])
        need = held + len(ids)
        if need > len(self._ids):
            # Readers keep the old buffers; what lies beyond their view may change, what lies inside never does.
            size = max(need, 2 * len(self._ids))
            grown_ids, grown = np.zeros(size, np.int64), np.zeros((size, self.width), self._data.dtype)
            grown_ids[:held], grown[:held] = self.now
            self._ids, self._data = grown_ids, grown
        self._ids[held:need] = ids
        self._data[held:need] = data
        self._settle(need)

    def _settle(self, rows: int) -> None:
        if rows > FLOAT32_ROWS_MAX and self._data.dtype != np.float16:
            self._data = self._data.astype(np.float16)
        self.now = (self._ids[:rows], self._data[:rows])

    @property
    def bytes(self) -> int:
        """Memory held."""
        return int(self._data.nbytes + self._ids.nbytes)


def rows_of(held: Ids, wanted: Ids) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Row of each wanted id in ascending ``held``, and whether it is there."""
    if len(held) == 0:
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
    at = np.minimum(np.searchsorted(held, wanted), len(held) - 1)
    return at, held[at] == wanted


def cosines(data: Matrix, vector: Scores, rows: NDArray[np.int64] | None = None) -> Scores:
    """Exact cosines of these rows (None: all)."""
    chosen = data if rows is None else data[rows]
    return (chosen.astype(np.float32, copy=False) @ vector).astype(np.float32, copy=False)


def page_after(
    c: apsw.Connection, owner: int, model: int, last: int, width: int
) -> tuple[Ids, NDArray[np.float16], int] | None:
    """The next page of an owner's vectors in the order they arrived: chunk ids, rows and the last vector id."""
    rows: list[Any] = c.execute(
        "SELECT id, chunk, data FROM vector WHERE owner = ? AND model = ? AND id > ? ORDER BY id LIMIT ?",
        (owner, model, last, PAGE_ROWS),
    ).fetchall()
    if not rows:
        return None
    whole = [r for r in rows if len(r[2]) == width * 2]
    ids = np.array([r[1] for r in whole], np.int64)
    data = np.frombuffer(b"".join(r[2] for r in whole), "<f2").reshape(len(whole), width)
    return ids, data, int(rows[-1][0])
