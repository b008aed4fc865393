"""One owner's vectors of one model in memory, in order of chunk id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import apsw
import numpy as np
from numpy.typing import NDArray

from recalld.ports.index import Ids, Scores

PAGE_ROWS = 4_000
ROWS_MIN = 32
FLOAT32_ROWS_MAX = 50_000
"""Reading float16 costs numpy eight times what float32 does; beyond this, memory counts more."""

Floats = NDArray[np.floating]
Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MatrixView:
    """Vectors as they stand at one moment: ``ids`` ascending; that of ``ids[k]`` stands at place ``at[k]`` of ``data`` (None:
    at k), which has one column for each, or one row where ``row_major``.

    By columns a product with all of them streams through memory: half the time of the same by rows, when the vectors have
    not stayed in the processor's cache since the last question (0.5 against 1.1 ms for 12,000 of 256 numbers).
    """

    ids: Ids
    at: Positions | None
    data: Floats
    row_major: bool = False

    def cosines(self, vector: Scores, rows: Positions | None = None) -> Scores:
        """Exact cosines with these ids, by their rows in ``ids`` (None: all)."""
        if rows is not None and 4 * len(rows) > len(self.ids):
            return self.cosines(vector)[rows]
        columns = self.data if rows is None else self._select(rows)
        columns = columns.astype(np.float32, copy=False)
        found = (columns @ vector if self.row_major else vector @ columns).astype(np.float32, copy=False)
        return found if rows is not None or self.at is None else found[self.at]

    def vectors(self, rows: Positions) -> NDArray[np.float32]:
        """The vectors of these rows of ``ids``, one a row."""
        columns = self._select(rows) if self.row_major else self._select(rows).T
        return np.ascontiguousarray(columns, dtype=np.float32)

    def _select(self, rows: Positions) -> Floats:
        at = rows if self.at is None else self.at[rows]
        return self.data[at] if self.row_major else self.data[:, at]


class VectorMatrix:
    """``view`` is what readers take, replaced as one so that a reader on another thread never sees half a change. Vectors
    stay where they were put, in the order they came: float32 by columns up to ``FLOAT32_ROWS_MAX`` of them, float16 by
    rows beyond."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._ids: Ids = np.zeros(ROWS_MIN, np.int64)
        self._data: Floats = np.zeros((width, ROWS_MIN), np.float32)
        self._count = 0
        self.view = MatrixView(self._ids[:0], None, self._data[:, :0])

    def append(self, ids: Ids, data: NDArray[np.float16]) -> None:
        """Add vectors, one a row; a chunk that comes again replaces its former vector."""
        need, row_major = self._count + len(ids), self.view.row_major
        if need > len(self._ids):
            # Readers keep the old buffers; what lies beyond their view may change, what lies inside never does.
            size = max(need, 2 * len(self._ids))
            self._ids = np.concatenate([self._ids, np.zeros(size - len(self._ids), np.int64)])
            grown = np.zeros((size, self.width) if row_major else (self.width, size), self._data.dtype)
            (grown if row_major else grown.T)[: self._count] = (self._data if row_major else self._data.T)[
                : self._count
            ]
            self._data = grown
        self._ids[self._count : need] = ids
        (self._data if row_major else self._data.T)[self._count : need] = data
        self._count = need
        if need > FLOAT32_ROWS_MAX and not row_major:
            self._data, row_major = np.ascontiguousarray(self._data.T, dtype=np.float16), True
        self._publish(row_major)

    def _publish(self, row_major: bool) -> None:
        ids = self._ids[: self._count]
        data = self._data[: self._count] if row_major else self._data[:, : self._count]
        if np.all(np.diff(ids) > 0):
            self.view = MatrixView(ids, None, data, row_major)
            return
        # The later of two equal ids stands further right: of each, the last one counts.
        unique, first = np.unique(ids[::-1], return_index=True)
        self.view = MatrixView(unique, self._count - 1 - first, data, row_major)

    @property
    def count(self) -> int:
        """Vectors held, those among them that others have replaced."""
        return self._count

    @property
    def bytes(self) -> int:
        """Memory held."""
        return int(self._data.nbytes + self._ids.nbytes)


def rows_of(sorted_ids: Ids, wanted: Ids) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Row of each wanted id in ascending ``sorted_ids``, and whether it is there."""
    if len(sorted_ids) == 0:
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
    at = np.minimum(np.searchsorted(sorted_ids, wanted), len(sorted_ids) - 1)
    return at, sorted_ids[at] == wanted


class VectorPage(NamedTuple):
    """Vectors in the order they arrived, one a row, by chunk id; ``last``: the largest vector id."""

    ids: Ids
    data: NDArray[np.float16]
    last: int


def page_after(c: apsw.Connection, partition_id: int, model: int, last: int, width: int) -> VectorPage | None:
    """The next page of an owner's vectors; None at the end."""
    rows: list[Any] = c.execute(
        "SELECT id, chunk, data FROM vector WHERE owner = ? AND model = ? AND id > ? ORDER BY id LIMIT ?",
        (partition_id, model, last, PAGE_ROWS),
    ).fetchall()
    if not rows:
        return None
    whole = [r for r in rows if len(r[2]) == width * 2]
    ids = np.array([r[1] for r in whole], np.int64)
    data = np.frombuffer(b"".join(r[2] for r in whole), "<f2").reshape(len(whole), width)
    return VectorPage(ids, data, int(rows[-1][0]))
