"""A 4-bit index beside a shelf of exact rows: finds candidates, never scores them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recalld.ports.index import Ids, Scores

from .vector_matrix import rows_of


class Approximate:
    """Holds what a shelf holds; lives in memory and is rebuilt in seconds, so nothing of it needs saving. May be asked by
    other threads while one adds to it."""

    def __init__(self, width: int) -> None:
        self._index: Any = _open(width)
        self._width = width
        self._ids: Ids = np.zeros(0, np.int64)

    @property
    def bytes(self) -> int:
        """Memory held, about: four bits a number, and two places an id."""
        return len(self._ids) * (self._width // 2 + 16)

    def append(self, ids: Ids, vectors: NDArray[np.floating]) -> None:
        """Add vectors, one a row. One that it has stays as it is: a place to look, scored elsewhere."""
        _, known = rows_of(self._ids, ids)
        new = ids[~known]
        if len(new):
            rows = np.ascontiguousarray(vectors[~known], dtype=np.float32)
            self._index.add_with_ids(rows, new.astype(np.uint64))
            self._ids = np.union1d(self._ids, new)

    def nearest(self, vector: Scores, hits_max: int, allowed: Ids | None) -> Ids:
        """About the nearest ids, unordered; ``allowed`` (all of them held) narrows them."""
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
    # Loaded when an owner first outgrows exact search.
    from turbovec import IdMapIndex

    return IdMapIndex(width, 4)
