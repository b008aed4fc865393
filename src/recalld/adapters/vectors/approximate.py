"""A 4-bit index beside a shelf of exact rows: finds candidates, never scores them."""

from __future__ import annotations

from typing import Any

import numpy as np

from recalld.ports.index import Ids, Scores

from .shelf import Shelf, rows_of


class Approximate:
    """Follows a shelf's ids; lives in memory and is rebuilt in seconds, so nothing of it needs saving."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._index: Any = None
        self._ids: Ids = np.zeros(0, np.int64)

    def follow(self, shelf: Shelf) -> None:
        """Add what the shelf has and this index has not."""
        if self._index is None:
            self._index = _open(self._width)
        new = np.setdiff1d(shelf.now.ids, self._ids, assume_unique=True)
        if len(new):
            rows, _ = rows_of(shelf.now.ids, new)
            self._index.add_with_ids(shelf.now.vectors(rows), new.astype(np.uint64))
            self._ids = np.union1d(self._ids, new)

    def nearest(self, vector: Scores, hits_max: int, allowed: Ids | None) -> Ids:
        """About the nearest ids, unordered; ``allowed`` (a subset of the shelf's) narrows them."""
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
