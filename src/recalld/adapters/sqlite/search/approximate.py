"""A 4-bit index beside the exact vectors: it selects candidates and never scores them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recalld.ports.index import Ids, Scores

from .vector_matrix import rows_of


class Approximate:
    """Contains the vectors of a matrix. It lives in memory and is rebuilt in seconds, so nothing is saved. Other threads may
    search while one appends."""

    def __init__(self, width: int) -> None:
        self._index: Any = _open(width)
        self._width = width
        self._ids: Ids = np.zeros(0, np.int64)

    @property
    def bytes(self) -> int:
        """Approximate memory held: four bits a number, and two entries an id."""
        return len(self._ids) * (self._width // 2 + 16)

    def append(self, ids: Ids, vectors: NDArray[np.floating]) -> None:
        """Add vectors, one a row. An id that is already known keeps its old vector, which is good enough to select candidates."""
        _, known = rows_of(self._ids, ids)
        new = ids[~known]
        if len(new):
            rows = np.ascontiguousarray(vectors[~known], dtype=np.float32)
            self._index.add_with_ids(rows, new.astype(np.uint64))
            self._ids = np.union1d(self._ids, new)

    def nearest(self, vector: Scores, hits_max: int, allowed: Ids | None) -> Ids:
        """Return approximately the nearest ids, unordered; ``allowed`` (all of them known) restricts them."""
        query = np.ascontiguousarray(vector[None, :], dtype=np.float32)
        k = min(hits_max, len(self._ids) if allowed is None else len(allowed))
        if k == 0:
            return np.zeros(0, np.int64)
        if allowed is None:
            _, ids = self._index.search(query, k)
        else:
            _, ids = self._index.search(query, k, allowlist=allowed.astype(np.uint64))
        return np.asarray(ids).reshape(-1).astype(np.int64)


def _open(width: int) -> Any:
    # Loaded when a partition first outgrows exact search.
    from turbovec import IdMapIndex

    return IdMapIndex(width, 4)
