"""Vector search in memory: exact by numpy up to 20,000 chunks of an owner, beyond by a 4-bit index rescored exactly."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import apsw
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from recalld.infra.offload import Pool
from recalld.ports.index import WHOLE_ROWS_MAX, DenseMatches, Ids, Reach, Scores

from .approximate import Approximate
from .shelf import Shelf, page_after

T = TypeVar("T")
BYTES_MAX = 2_000_000_000
OVERFETCH = 5
FILTERED_EXACT_MAX = 5_000


class Reader(Protocol):
    """The store's bounded reader connections."""

    async def read(self, fn: Callable[[apsw.Connection], T]) -> T:
        """Run ``fn`` on a reader connection inside one read transaction."""
        ...


class ExactVectors:
    """Caches follow the table ``vector`` by id; deleting them costs nothing but time. Never on the loop."""

    def __init__(self, store: Reader, *, exact_max: int = WHOLE_ROWS_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._store = store
        self._exact_max = exact_max
        self._bytes_max = bytes_max
        self._shelves: OrderedDict[tuple[int, int], tuple[int, Shelf, Approximate | None]] = OrderedDict()
        self._models: dict[str, tuple[int, int]] = {}
        # One strand: two searches side by side would only share the same memory bandwidth, and caches need one writer.
        self._pool = Pool("vectors", running_max=1, waiting_max=64)
        self._blas: Any = None

    async def search(self, reach: Reach, fingerprint: str, vector: Scores, *, hits_max: int) -> DenseMatches:
        """See ``ports.index.Vectors``."""
        shelves = await self._follow(reach.owners, fingerprint)
        return await self._pool.run(self._search, shelves, reach, vector, hits_max)

    async def cosines(self, fingerprint: str, vector: Scores, owners: Sequence[int], ids: Ids) -> Scores:
        """See ``ports.index.Vectors``."""
        shelves = await self._follow(owners, fingerprint)
        return await self._pool.run(self._cosines, shelves, vector, ids)

    async def active(self, fingerprint: str, previous: tuple[str, ...] = ()) -> str:
        """See ``ports.index.Vectors``."""
        return await self._store.read(lambda c: _active(c, fingerprint, previous))

    async def close(self) -> None:
        """Let go of the strand and the caches."""
        self._shelves.clear()
        self._pool.close()

    # ------------------------------------------------------------------ inside
    async def _follow(self, owners: Sequence[int], fingerprint: str) -> list[tuple[Shelf, Approximate | None]]:
        """The owners' shelves, brought up to the store's end."""
        pages = await self._store.read(lambda c: self._missing(c, owners, fingerprint))
        while pages:
            await self._pool.run(self._take, pages)
            pages = await self._store.read(lambda c: self._missing(c, owners, fingerprint))
        model = self._models.get(fingerprint)
        if model is None:
            return []
        found = [self._shelves[o, model[0]] for o in owners if (o, model[0]) in self._shelves]
        return [(shelf, index) for _, shelf, index in found]

    def _missing(self, c: apsw.Connection, owners: Sequence[int], fingerprint: str) -> list[Any]:
        model = self._models.get(fingerprint)
        if model is None:
            row = c.execute("SELECT id, width FROM model WHERE fingerprint = ?", (fingerprint,)).fetchone()
            if row is None:
                return []
            model = self._models[fingerprint] = (int(row[0]), int(row[1]))
        pages = []
        for owner in owners:
            epoch = c.execute("SELECT epoch FROM owner WHERE id = ?", (owner,)).fetchone()
            kept = self._shelves.get((owner, model[0]))
            fresh = kept is None or epoch is None or kept[0] != epoch[0]
            page = page_after(c, owner, model[0], 0 if fresh or kept is None else kept[1].last, model[1])
            if page is not None:
                pages.append((owner, model, epoch[0] if epoch else 0, fresh, page))
        return pages

    def _take(self, pages: list[Any]) -> None:
        for owner, (model, width), epoch, fresh, (ids, data, last) in pages:
            kept = self._shelves.get((owner, model))
            if kept is None or (fresh and kept[0] != epoch):
                kept = (epoch, Shelf(width), None)
            shelf, index = kept[1], kept[2]
            if last > shelf.last:
                shelf.take(ids, data, self._exact_max)
                shelf.last = last
                if len(shelf.ids) > self._exact_max:
                    index = index or Approximate(width)
                    index.follow(shelf)
            self._shelves[owner, model] = (epoch, shelf, index)
            self._shelves.move_to_end((owner, model))
        while len(self._shelves) > 1 and sum(s.bytes for _, s, _ in self._shelves.values()) > self._bytes_max:
            self._shelves.popitem(last=False)

    def _search(
        self, shelves: list[tuple[Shelf, Approximate | None]], reach: Reach, vector: Scores, hits_max: int
    ) -> DenseMatches:
        found: list[tuple[Ids, Scores]] = []
        exact = True
        with self._one_blas_thread():
            for shelf, index in shelves:
                for inside in reach.chunks:
                    rows, there = shelf.pick(inside)
                    rows = rows[there]
                    if index is None or len(rows) <= FILTERED_EXACT_MAX:
                        found.append(_whole(shelf, rows, vector))
                    else:
                        exact = False
                        found.append(_best(shelf, index, rows, vector, hits_max))
        ids = np.concatenate([f[0] for f in found]) if found else np.zeros(0, np.int64)
        scores = np.concatenate([f[1] for f in found]) if found else np.zeros(0, np.float32)
        order = np.argsort(ids, kind="stable")
        return DenseMatches(ids[order], scores[order], exact)

    def _cosines(self, shelves: list[tuple[Shelf, Approximate | None]], vector: Scores, ids: Ids) -> Scores:
        found = np.full(len(ids), np.nan, np.float32)
        with self._one_blas_thread():
            for shelf, _ in shelves:
                rows, there = shelf.pick(ids)
                found[there] = shelf.cosines(rows[there], vector)
        return found

    def _one_blas_thread(self) -> Any:
        # Two BLAS threads cost eight times the processor time of one at these sizes.
        if self._blas is None:
            self._blas = ThreadpoolController()
        return self._blas.limit(limits=1, user_api="blas")


def _whole(shelf: Shelf, rows: NDArray[np.int64], vector: Scores) -> tuple[Ids, Scores]:
    if len(rows) == len(shelf.ids):
        return shelf.ids, (shelf.data.astype(np.float32, copy=False) @ vector).astype(np.float32, copy=False)
    if len(rows) * 2 > len(shelf.ids) and shelf.data.dtype == np.float32:
        return shelf.ids[rows], (shelf.data @ vector)[rows]
    return shelf.ids[rows], shelf.cosines(rows, vector)


def _best(
    shelf: Shelf, index: Approximate, rows: NDArray[np.int64], vector: Scores, hits_max: int
) -> tuple[Ids, Scores]:
    everything = len(rows) == len(shelf.ids)
    near = index.nearest(vector, hits_max * OVERFETCH, None if everything else shelf.ids[rows])
    at, there = shelf.pick(np.sort(near))
    at = at[there]
    scores = shelf.cosines(at, vector)
    best = np.sort(np.argsort(-scores, kind="stable")[:hits_max])
    return shelf.ids[at[best]], scores[best]


def _active(c: apsw.Connection, wanted: str, previous: tuple[str, ...]) -> str:
    chunks = c.execute("SELECT coalesce(sum(chunks), 0) FROM owner").fetchone()
    missing = c.execute("SELECT count(*) FROM (SELECT 1 FROM unembedded LIMIT 1000)").fetchone()
    if not missing or missing[0] == 0:
        return wanted
    for fingerprint in previous:
        row = c.execute(
            "SELECT (SELECT count(*) FROM vector WHERE model = m.id) FROM model m WHERE fingerprint = ?", (fingerprint,)
        ).fetchone()
        if row and chunks and row[0] >= chunks[0] - missing[0]:
            return fingerprint
    return wanted
