"""In-memory vectors for tests, stricter than the real ones: a vector that is not of unit length is rejected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from recalld.domain.errors import Invalid
from recalld.ports.index import Cosines, DenseMatches, Ids, Scores, SearchScope


class MemoryVectors:
    """Vectors per model and chunk; every search is exact."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[int, Scores]] = {}

    def put(self, fingerprint: str, rows: Mapping[int, Scores]) -> None:
        """Add or replace vectors by chunk id."""
        for row in rows.values():
            _check(row)
        self._rows.setdefault(fingerprint, {}).update(rows)

    async def refresh(self, partition_ids: Sequence[int], fingerprint: str, *, linger_s: float = 0.0) -> MemoryIndex:
        """See ``ports.index.Vectors``."""
        return MemoryIndex(self._rows.get(fingerprint, {}))

    async def serving_model(self, partition_ids: Sequence[int] = ()) -> str:
        """See ``ports.index.Vectors``: the first model with any vectors."""
        return next(iter(self._rows), "")


class MemoryIndex:
    """See ``ports.index.VectorIndex``."""

    def __init__(self, rows: Mapping[int, Scores]) -> None:
        self._rows = rows

    async def search(self, scope: SearchScope, vector: Scores, *, hits_max: int) -> DenseMatches:
        """See ``ports.index.VectorIndex``."""
        _check(vector)
        ids = np.array(sorted(i for part in scope.chunks for i in part.tolist() if i in self._rows), np.int64)
        return DenseMatches(ids, np.array([self._rows[i] @ vector for i in ids.tolist()], np.float32), exact=True)

    async def cosines(self, vector: Scores, ids: Ids) -> Cosines:
        """See ``ports.index.VectorIndex``."""
        _check(vector)
        rows = [self._rows.get(i) for i in ids.tolist()]
        scores = np.array([np.nan if row is None else row @ vector for row in rows], np.float32)
        return Cosines(scores, sum(row is not None for row in rows))


def _check(row: Scores) -> None:
    if abs(float(np.linalg.norm(row)) - 1) > 0.01:
        raise Invalid("a vector is not of unit length", remedy="let the embedder normalise")
