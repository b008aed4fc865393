"""One partition's vectors of one model in memory, in order of chunk id."""

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
"""Beyond this, memory matters more than speed: numpy reads float16 eight times as slowly as float32."""

Floats = NDArray[np.floating]
Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MatrixView:
    """An immutable view of a matrix: ``ids`` ascending; the vector of ``ids[k]`` is at position ``at[k]`` of ``data`` (None:
    at k). ``data`` has one column a vector, or one row a vector if ``row_major``.

    A product with all columns streams through memory: half the time of the product with rows, when the vectors are not in
    the CPU cache (0.5 against 1.1 ms for 12,000 vectors of 256 numbers).
    """

    ids: Ids
    at: Positions | None
    data: Floats
    row_major: bool = False

    def cosines(self, vector: Scores, rows: Positions | None = None) -> Scores:
        """Return exact cosines with the vectors at these rows of ``ids`` (None: all)."""
        if rows is not None and 4 * len(rows) > len(self.ids):
            return self.cosines(vector)[rows]
        columns = self.data if rows is None else self._select(rows)
        columns = columns.astype(np.float32, copy=False)
        found = (columns @ vector if self.row_major else vector @ columns).astype(np.float32, copy=False)
        return found if rows is not None or self.at is None else found[self.at]

    def vectors(self, rows: Positions) -> NDArray[np.float32]:
        """Return the vectors at these rows of ``ids``, one a row."""
        columns = self._select(rows) if self.row_major else self._select(rows).T
        return np.ascontiguousarray(columns, dtype=np.float32)

    def _select(self, rows: Positions) -> Floats:
        at = rows if self.at is None else self.at[rows]
        return self.data[at] if self.row_major else self.data[:, at]


class VectorMatrix:
    """Append-only vectors: float32 by columns up to ``FLOAT32_ROWS_MAX`` of them, float16 by rows beyond.

    Readers use ``view``, which is replaced as a whole, so that another thread never sees half a change. Vectors stay in
    order of arrival.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self._ids: Ids = np.zeros(ROWS_MIN, np.int64)
        self._data: Floats = np.zeros((width, ROWS_MIN), np.float32)
        self._count = 0
        self.view = MatrixView(self._ids[:0], None, self._data[:, :0])

    def append(self, ids: Ids, data: NDArray[np.float16]) -> None:
        """Add vectors, one a row. A repeated chunk id replaces the earlier vector."""
        need, row_major = self._count + len(ids), self.view.row_major
        if need > len(self._ids):
            # Readers keep the old buffers. Only the part beyond their view ever changes.
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
        # Of equal ids, the last one counts.
        unique, first = np.unique(ids[::-1], return_index=True)
        self.view = MatrixView(unique, self._count - 1 - first, data, row_major)

    @property
    def count(self) -> int:
        """Number of vectors, including replaced ones."""
        return self._count

    @property
    def bytes(self) -> int:
        """Memory held."""
        return int(self._data.nbytes + self._ids.nbytes)


def rows_of(sorted_ids: Ids, wanted: Ids) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the row of each wanted id in ascending ``sorted_ids``, and whether it exists."""
    if len(sorted_ids) == 0:
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
    at = np.minimum(np.searchsorted(sorted_ids, wanted), len(sorted_ids) - 1)
    return at, sorted_ids[at] == wanted


class VectorPage(NamedTuple):
    """Vectors in order of arrival, one a row, with their chunk ids; ``last``: the largest vector id."""

    ids: Ids
    data: NDArray[np.float16]
    last: int


def page_after(c: apsw.Connection, partition_id: int, model: int, last: int, width: int) -> VectorPage | None:
    """Return the next page of a partition's vectors; None at the end."""
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
