"""Vectors in memory, stricter than the real ones: a vector that is not of unit length is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from recalld.domain.errors import Invalid
from recalld.ports.index import Cosines, DenseMatches, Ids, Reach, Scores


class MemoryVectors:
    """Vectors per model and chunk; every search is exact."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[int, Scores]] = {}

    def put(self, fingerprint: str, rows: Mapping[int, Scores]) -> None:
        """Add or replace vectors by chunk id."""
        for row in rows.values():
            _check(row)
        self._rows.setdefault(fingerprint, {}).update(rows)

    async def search(self, reach: Reach, fingerprint: str, vector: Scores, *, hits_max: int) -> DenseMatches:
        """See ``ports.index.Vectors``."""
        _check(vector)
        mine = self._rows.get(fingerprint, {})
        ids = np.array(sorted(i for part in reach.chunks for i in part.tolist() if i in mine), np.int64)
        return DenseMatches(ids, np.array([mine[i] @ vector for i in ids.tolist()], np.float32), exact=True)

    async def cosines(self, fingerprint: str, vector: Scores, owners: Sequence[int], ids: Ids) -> Cosines:
        """See ``ports.index.Vectors``."""
        _check(vector)
        mine = self._rows.get(fingerprint, {})
        scores = np.array([mine[i] @ vector if i in mine else np.nan for i in ids.tolist()], np.float32)
        return Cosines(scores, sum(i in mine for i in ids.tolist()))

    async def serving(self) -> str:
        """See ``ports.index.Vectors``: the first model that brought any vectors."""
        return next(iter(self._rows), "")


def _check(row: Scores) -> None:
    if abs(float(np.linalg.norm(row)) - 1) > 0.01:
        raise Invalid("a vector is not of unit length", remedy="let the embedder normalise")
