"""In-memory vector search: exact up to 50,000 vectors of a partition, beyond by a 4-bit index with exact rescoring."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import apsw
import numpy as np
import orjson

from recalld.adapters.sqlite.database.readers import Readers
from recalld.adapters.sqlite.database.sql import fetch_one
from recalld.infra.coalesce import Coalescer
from recalld.ports.compute import Compute
from recalld.ports.index import Cosines, Ids, Scores

from .approximate import Approximate
from .scope import Scope
from .vector_matrix import MatrixView, Positions, VectorMatrix, VectorPage, page_after, rows_of

_NEWEST = """
SELECT json_group_array(json_array(o.id, o.epoch, o.chunks,
  (SELECT coalesce(max(id), 0) FROM vector WHERE owner = o.id AND model = ?2)))
FROM json_each(?1) w JOIN owner o ON o.id = w.value"""
OVERFETCH = 3
"""Candidates per hit: three times the hits contain 98% of the exact ones, and the index's cost grows with the number."""
FILTERED_EXACT_MAX = 5_000
_LIVE_CHUNKS = "SELECT group_concat(chunk) FROM vector WHERE owner = ? AND model = ?"
SPARE_ROWS = 1_000
"""Below this number of vectors, deleted ones are not looked for."""
PAGES_AT_ONCE = 8
"""Loaded by one call of a reader thread, which other calls share."""


@dataclass(eq=False, slots=True)
class _PartitionVectors:
    """One partition's vectors of one model, with an approximate index once they are many.

    Other threads read while one appends, so fields are published in order: ``index`` contains at least the vectors of
    ``view``, and ``view`` at least those up to ``last``.
    """

    epoch: int
    matrix: VectorMatrix
    view: MatrixView
    index: Approximate | None = None
    last: int = 0
    last_lookup: tuple[Ids, Ids, Positions, Positions] | None = None
    checked_count: int = 0
    """Number of vectors at the last search for deleted ones."""

    @property
    def bytes(self) -> int:
        """Memory held."""
        return self.matrix.bytes + (0 if self.index is None else self.index.bytes)

    def is_mostly_deleted(self, chunks: int) -> bool:
        """Return True if more vectors are deleted than the partition has live ``chunks``."""
        return self.matrix.count > max(2 * chunks, 2 * self.checked_count) + SPARE_ROWS

    def without_deleted(self, live_ids: Ids, exact_max: int) -> _PartitionVectors:
        """Return a copy without deleted vectors. Running searches keep using this one."""
        rows = np.flatnonzero(np.isin(self.view.ids, live_ids))
        fresh = VectorMatrix(self.matrix.width)
        cached = _PartitionVectors(self.epoch, fresh, fresh.view)
        cached.append(VectorPage(self.view.ids[rows], self.view.vectors(rows).astype(np.float16), self.last), exact_max)
        cached.checked_count = fresh.count
        return cached

    def append(self, page: VectorPage, exact_max: int) -> None:
        """Append the next page."""
        self.matrix.append(page.ids, page.data)
        view = self.matrix.view
        if self.index is not None:
            self.index.append(page.ids, page.data)
        elif len(view.ids) > exact_max:
            index = Approximate(self.matrix.width)
            index.append(view.ids, view.vectors(np.arange(len(view.ids))))
            self.index = index
        self.view = view
        self.last = page.last

    def find_rows(self, ids: Ids, wanted: Ids) -> tuple[Positions, Positions]:
        """Return the rows in ``ids`` of those ``wanted`` that exist, and their positions in ``wanted``; both ascending.

        Queries of one scope pass the same two arrays again and again, so the last result is cached by their identity.
        """
        cached = self.last_lookup
        if cached is None or cached[0] is not ids or cached[1] is not wanted:
            at, there = rows_of(ids, wanted)
            which = np.flatnonzero(there)
            cached = self.last_lookup = (ids, wanted, at[which], which)
        return cached[2:]


class Vectors:
    """Caches of the table ``vector``, updated by id; they can be rebuilt at any time.

    Reader threads update them, once for all waiting callers; searches run on the threads of ``compute``. Neither runs on
    the event loop.
    """

    def __init__(self, store: Readers, compute: Compute, *, exact_max: int, bytes_max: int) -> None:
        self._store = store
        self._compute = compute
        self._exact_max = exact_max
        self._bytes_max = bytes_max
        self._cache: OrderedDict[tuple[int, int], _PartitionVectors] = OrderedDict()
        self._cached_bytes: dict[tuple[int, int], int] = {}
        self._bytes = 0
        self._models: dict[str, tuple[int, int]] = {}
        # One refresh at a time: caches have one writer and many readers.
        self._coalescer = Coalescer(self._refresh)

    async def refresh(
        self, partition_ids: Sequence[int], models: Sequence[str], *, linger_s: float = 0.0
    ) -> VectorIndex:
        """Load the new vectors of these partitions and return an index over all of them, which needs no disk access."""
        return await self._coalescer.submit((tuple(partition_ids), tuple(models)), linger_s=linger_s)

    # ------------------------------------------------------------------ inside
    async def _refresh(self, requests: Sequence[tuple[tuple[int, ...], tuple[str, ...]]]) -> list[VectorIndex]:
        """Refresh for all waiting callers in one read, or in a few if there is much to load."""
        wanted: dict[str, set[int]] = {}
        for partition_ids, models in requests:
            for model in models:
                wanted.setdefault(model, set()).update(partition_ids)

        def pull(c: apsw.Connection) -> bool:
            return any(self._load(c, sorted(partition_ids), model) for model, partition_ids in wanted.items())

        while await self._store.read(pull):
            pass
        return [
            VectorIndex({model: self._cached(partition_ids, model) for model in models}, self._compute)
            for partition_ids, models in requests
        ]

    def _load(self, c: apsw.Connection, partition_ids: Sequence[int], fingerprint: str) -> bool:
        """Load up to ``PAGES_AT_ONCE`` pages into these partitions' caches. Returns True if there may be more."""
        model = self._model(c, fingerprint)
        if model is None:
            return False
        for _ in range(PAGES_AT_ONCE):
            found = orjson.loads(fetch_one(c, _NEWEST, (orjson.dumps(partition_ids).decode(), model[0]))[0])
            behind = [
                partition_id
                for partition_id, epoch, _, newest in found
                if self._is_behind((partition_id, model[0]), epoch, newest)
            ]
            if not behind:
                self._compact(c, {(partition_id, model[0]): chunks for partition_id, _, chunks, _ in found})
                return False
            self._load_page(c, behind, model)
        return True

    def _is_behind(self, key: tuple[int, int], epoch: int, newest: int) -> bool:
        """Return True if a partition's cache lacks vectors that this transaction sees."""
        cached = self._cache.get(key)
        return newest > 0 if cached is None else newest > cached.last or cached.epoch != epoch

    def _compact(self, c: apsw.Connection, chunks: dict[tuple[int, int], int]) -> None:
        """Evict vectors of deleted chunks where these are the majority."""
        for key, live_chunks in chunks.items():
            cached = self._cache.get(key)
            if cached is not None and cached.is_mostly_deleted(live_chunks):
                (packed,) = fetch_one(c, _LIVE_CHUNKS, key)
                self._put(
                    key, cached.without_deleted(np.array(orjson.loads(f"[{packed or ''}]"), np.int64), self._exact_max)
                )

    def _put(self, key: tuple[int, int], cached: _PartitionVectors) -> None:
        former = self._cached_bytes.pop(key, 0)
        self._cache[key] = cached
        self._cache.move_to_end(key)
        self._cached_bytes[key] = cached.bytes
        self._bytes += cached.bytes - former

    def _model(self, c: apsw.Connection, fingerprint: str) -> tuple[int, int] | None:
        known = self._models.get(fingerprint)
        if known is None:
            row = c.execute("SELECT id, width FROM model WHERE fingerprint = ?", (fingerprint,)).fetchone()
            if row is None:
                return None
            known = self._models[fingerprint] = (int(row[0]), int(row[1]))
        return known

    def _load_page(self, c: apsw.Connection, partition_ids: Sequence[int], model: tuple[int, int]) -> None:
        """Load one page for each of these partitions."""
        for partition_id in partition_ids:
            row = c.execute("SELECT epoch FROM owner WHERE id = ?", (partition_id,)).fetchone()
            epoch = int(row[0]) if row else 0
            cached = self._cache.get((partition_id, model[0]))
            if cached is None or cached.epoch != epoch:
                matrix = VectorMatrix(model[1])
                cached = _PartitionVectors(epoch, matrix, matrix.view)
            page = page_after(c, partition_id, model[0], cached.last, model[1])
            if page is not None:
                cached.append(page, self._exact_max)
            self._put((partition_id, model[0]), cached)
        while len(self._cache) > len(partition_ids) and self._bytes > self._bytes_max:
            self._bytes -= self._cached_bytes.pop(self._cache.popitem(last=False)[0])

    def _cached(self, partition_ids: Sequence[int], fingerprint: str) -> dict[int, _PartitionVectors]:
        model = self._models.get(fingerprint, (0, 0))[0]
        cached = ((partition_id, self._cache.get((partition_id, model))) for partition_id in partition_ids)
        return {partition_id: each for partition_id, each in cached if each is not None}


class Nearest(NamedTuple):
    """Ids of chunks, unordered. ``exact``: all of the scope that have a vector, not only the nearest."""

    ids: Ids
    exact: bool


class VectorIndex:
    """Vectors of some partitions and models, at least as new as the call that returned it."""

    def __init__(self, cached: Mapping[str, dict[int, _PartitionVectors]], compute: Compute) -> None:
        self._cache = cached
        self._compute = compute

    async def search(self, scope: Scope, vectors: Mapping[str, Scores], *, hits_max: int) -> Nearest:
        """Return the nearest chunks of ``scope``, which covers the same partitions. ``vectors``: by model, float32, unit length.

        All chunks of a partition's part in the scope up to ``FILTERED_EXACT_MAX``; of a larger one the best ``hits_max`` for each
        model, of more than ``exact_max`` vectors those of an approximate index, rescored exactly. Chunks without a vector are
        absent.
        """
        return await self._compute.run(self._search, scope, vectors, hits_max)

    async def cosines(self, vectors: Mapping[str, Scores], ids: Ids) -> dict[str, Cosines]:
        """Return exact cosines of these chunks (ascending ids), by model."""
        return await self._compute.run(self._cosines, vectors, ids)

    def _search(self, scope: Scope, vectors: Mapping[str, Scores], hits_max: int) -> Nearest:
        parts = [
            _nearest(cached, inside, vector, hits_max)
            for model, vector in vectors.items()
            for partition_id, inside in zip(scope.partition_ids, scope.ids, strict=True)
            if (cached := self._cache[model].get(partition_id)) is not None
        ]
        ids = np.unique(np.concatenate([np.zeros(0, np.int64), *(part.ids for part in parts)]))
        return Nearest(ids, all(part.exact for part in parts))

    def _cosines(self, vectors: Mapping[str, Scores], ids: Ids) -> dict[str, Cosines]:
        return {model: _cosines(self._cache[model].values(), vector, ids) for model, vector in vectors.items()}


def _nearest(cached: _PartitionVectors, inside: Ids, vector: Scores, hits_max: int) -> Nearest:
    # The view first: the index contains at least as much.
    view, index = cached.view, cached.index
    rows, _ = cached.find_rows(view.ids, inside)
    if len(rows) <= FILTERED_EXACT_MAX:
        return Nearest(view.ids[rows], True)
    if index is None:
        scores = view.cosines(vector, rows)
        return Nearest(view.ids[rows[np.argpartition(-scores, hits_max)[:hits_max]]], False)
    allowed = None if len(rows) == len(view.ids) else view.ids[rows]
    at, there = rows_of(view.ids, np.sort(index.nearest(vector, hits_max * OVERFETCH, allowed)))
    at = at[there]
    best = np.argsort(-view.cosines(vector, at), kind="stable")[:hits_max]
    return Nearest(view.ids[at[best]], False)


def _cosines(partitions: Iterable[_PartitionVectors], vector: Scores, ids: Ids) -> Cosines:
    scores, known = np.full(len(ids), np.nan, np.float32), 0
    for each in partitions:
        view = each.view
        rows, which = each.find_rows(view.ids, ids)
        scores[which] = view.cosines(vector, rows)
        known += len(which)
    return Cosines(scores, known)
