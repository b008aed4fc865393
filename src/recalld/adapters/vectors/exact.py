"""Vector search in memory: exact by numpy up to 20,000 chunks of an owner, beyond by a 4-bit index rescored exactly."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import apsw
import numpy as np
import orjson

from recalld.infra.lookup import WANTED_TO, only
from recalld.infra.together import Together
from recalld.ports.compute import Compute
from recalld.ports.index import FULL_SCORING_ROWS_MAX, Cosines, DenseMatches, Ids, Scores, SearchScope

from .approximate import Approximate
from .shelf import Held, Page, Places, Shelf, page_after, rows_of

T = TypeVar("T")
_NEWEST = """
SELECT json_group_array(json_array(o.id, o.epoch, o.chunks,
  (SELECT coalesce(max(id), 0) FROM vector WHERE owner = o.id AND model = ?2)))
FROM json_each(?1) w JOIN owner o ON o.id = w.value"""
BYTES_MAX = 2_000_000_000
OVERFETCH = 3
"""The index's cost grows with what is asked of it: three times the hits hold 98% of the exact ones."""
FILTERED_EXACT_MAX = 5_000
_SERVING = f"""
SELECT coalesce((SELECT value FROM meta WHERE key = 'wanted_model' AND value <> '' AND json_array_length(?1) > 0
    AND NOT EXISTS (SELECT 1 FROM meta WHERE key = 'listed_to') AND NOT EXISTS (
      SELECT 1 FROM json_each(?1) w CROSS JOIN unembedded u ON u.owner = w.value WHERE u.chunk <= {WANTED_TO})),
  (SELECT value FROM meta WHERE key = 'serving_model'), '')"""
_LIVING = "SELECT group_concat(chunk) FROM vector WHERE owner = ? AND model = ?"
SPARE_ROWS = 1_000
"""So few vectors are not worth looking at which of them are of use."""
PAGES_AT_ONCE = 8
"""Taken by one call of a reader thread: others want it too."""


class Reader(Protocol):
    """The store's bounded reader connections."""

    async def read(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run ``work`` on a reader connection inside one read transaction."""
        ...


@dataclass(eq=False, slots=True)
class _Kept:
    """One owner's vectors of one model, with the index beside them once they are many. Others read while one thread takes
    more, so what they read is shown last: ``index`` holds at least what ``now`` does, ``now`` what ``last`` promises."""

    epoch: int
    shelf: Shelf
    now: Held
    index: Approximate | None = None
    last: int = 0
    placed: tuple[Ids, Ids, Places, Places] | None = None
    looked_at: int = 0
    """Vectors held when it was last looked which of them are of use."""

    @property
    def bytes(self) -> int:
        """Memory held."""
        return self.shelf.bytes + (0 if self.index is None else self.index.bytes)

    def is_crowded(self, chunks: int) -> bool:
        """True when more is held that has gone than the owner's living ``chunks``."""
        return self.shelf.count > max(2 * chunks, 2 * self.looked_at) + SPARE_ROWS

    def only(self, live_ids: Ids, exact_max: int) -> _Kept:
        """Another one without what has gone: searches under way go on with this one."""
        rows = np.flatnonzero(np.isin(self.now.ids, live_ids))
        fresh = Shelf(self.shelf.width)
        kept = _Kept(self.epoch, fresh, fresh.now)
        kept.take(Page(self.now.ids[rows], self.now.vectors(rows).astype(np.float16), self.last), exact_max)
        kept.looked_at = fresh.count
        return kept

    def take(self, page: Page, exact_max: int) -> None:
        """Take over the next page."""
        self.shelf.take(page.ids, page.data)
        held = self.shelf.now
        if self.index is not None:
            self.index.take(page.ids, page.data)
        elif len(held.ids) > exact_max:
            index = Approximate(self.shelf.width)
            index.take(held.ids, held.vectors(np.arange(len(held.ids))))
            self.index = index
        self.now = held
        self.last = page.last

    def places(self, ids: Ids, wanted: Ids) -> tuple[Places, Places]:
        """Rows in ``ids`` of those of ``wanted`` that are there, and which of ``wanted`` these are; both ascending. Questions
        about one scope come again and again with the same two arrays, so the last answer is kept with them."""
        kept = self.placed
        if kept is None or kept[0] is not ids or kept[1] is not wanted:
            at, there = rows_of(ids, wanted)
            which = np.flatnonzero(there)
            kept = self.placed = (ids, wanted, at[which], which)
        return kept[2:]


class ExactVectors:
    """Caches follow the table ``vector`` by id; losing them costs nothing but time. They are brought up to the store's end on
    its reader threads, for all who wait at once, and looked into on ``compute``'s: never on the loop."""

    def __init__(
        self, store: Reader, compute: Compute, *, exact_max: int = FULL_SCORING_ROWS_MAX, bytes_max: int = BYTES_MAX
    ) -> None:
        self._store = store
        self._compute = compute
        self._exact_max = exact_max
        self._bytes_max = bytes_max
        self._kept: OrderedDict[tuple[int, int], _Kept] = OrderedDict()
        self._held_bytes: dict[tuple[int, int], int] = {}
        self._bytes = 0
        self._models: dict[str, tuple[int, int]] = {}
        # Which asks once at a time: caches have one writer, searches read beside it.
        self._follows = Together(self._follow)

    async def space(self, partition_ids: Sequence[int], fingerprint: str, *, linger_s: float = 0.0) -> ExactSpace:
        """See ``ports.index.Vectors``."""
        return await self._follows.ask((tuple(partition_ids), fingerprint), linger_s=linger_s)

    async def serving(self, partition_ids: Sequence[int] = ()) -> str:
        """See ``ports.index.Vectors``."""
        asked = orjson.dumps(list(partition_ids)).decode()
        (found,) = await self._store.read(lambda c: only(c, _SERVING, (asked,)))
        return str(found)

    # ------------------------------------------------------------------ inside
    async def _follow(self, asked: Sequence[tuple[tuple[int, ...], str]]) -> list[ExactSpace]:
        """One read for all who wait, or a few where much has come."""
        wanted = {
            model: sorted({o for partition_ids, m in asked if m == model for o in partition_ids}) for _, model in asked
        }

        def pull(c: apsw.Connection) -> bool:
            return any(self._take(c, partition_ids, fingerprint) for fingerprint, partition_ids in wanted.items())

        while await self._store.read(pull):
            pass
        return [
            ExactSpace(self._held(partition_ids, fingerprint), self._compute) for partition_ids, fingerprint in asked
        ]

    def _take(self, c: apsw.Connection, partition_ids: Sequence[int], fingerprint: str) -> bool:
        """A few pages of what these owners' caches lack; True if there may be more."""
        model = self._model(c, fingerprint)
        if model is None:
            return False
        for _ in range(PAGES_AT_ONCE):
            found = orjson.loads(only(c, _NEWEST, (orjson.dumps(partition_ids).decode(), model[0]))[0])
            behind = [
                partition_id
                for partition_id, epoch, _, newest in found
                if self._is_behind((partition_id, model[0]), epoch, newest)
            ]
            if not behind:
                self._compact(c, {(partition_id, model[0]): chunks for partition_id, _, chunks, _ in found})
                return False
            self._advance(c, behind, model)
        return True

    def _is_behind(self, key: tuple[int, int], epoch: int, newest: int) -> bool:
        """True for an owner's cache that is not at the end of what this transaction sees."""
        kept = self._kept.get(key)
        return newest > 0 if kept is None else newest > kept.last or kept.epoch != epoch

    def _compact(self, c: apsw.Connection, chunks: dict[tuple[int, int], int]) -> None:
        """Let go of vectors whose chunks have gone, where these are the most."""
        for key, live_ids in chunks.items():
            kept = self._kept.get(key)
            if kept is not None and kept.is_crowded(live_ids):
                (packed,) = only(c, _LIVING, key)
                self._keep(key, kept.only(np.array(orjson.loads(f"[{packed or ''}]"), np.int64), self._exact_max))

    def _keep(self, key: tuple[int, int], kept: _Kept) -> None:
        former = self._held_bytes.pop(key, 0)
        self._kept[key] = kept
        self._kept.move_to_end(key)
        self._held_bytes[key] = kept.bytes
        self._bytes += kept.bytes - former

    def _model(self, c: apsw.Connection, fingerprint: str) -> tuple[int, int] | None:
        known = self._models.get(fingerprint)
        if known is None:
            row = c.execute("SELECT id, width FROM model WHERE fingerprint = ?", (fingerprint,)).fetchone()
            if row is None:
                return None
            known = self._models[fingerprint] = (int(row[0]), int(row[1]))
        return known

    def _advance(self, c: apsw.Connection, partition_ids: Sequence[int], model: tuple[int, int]) -> None:
        """Take one page for each of these owners."""
        for partition_id in partition_ids:
            row = c.execute("SELECT epoch FROM owner WHERE id = ?", (partition_id,)).fetchone()
            epoch = int(row[0]) if row else 0
            kept = self._kept.get((partition_id, model[0]))
            if kept is None or kept.epoch != epoch:
                shelf = Shelf(model[1])
                kept = _Kept(epoch, shelf, shelf.now)
            page = page_after(c, partition_id, model[0], kept.last, model[1])
            if page is not None:
                kept.take(page, self._exact_max)
            self._keep((partition_id, model[0]), kept)
        while len(self._kept) > len(partition_ids) and self._bytes > self._bytes_max:
            self._bytes -= self._held_bytes.pop(self._kept.popitem(last=False)[0])

    def _held(self, partition_ids: Sequence[int], fingerprint: str) -> dict[int, _Kept]:
        model = self._models.get(fingerprint, (0, 0))[0]
        kept = ((partition_id, self._kept.get((partition_id, model))) for partition_id in partition_ids)
        return {partition_id: each for partition_id, each in kept if each is not None}


class ExactSpace:
    """See ``ports.index.VectorSpace``."""

    def __init__(self, kept: dict[int, _Kept], compute: Compute) -> None:
        self._kept = kept
        self._compute = compute

    async def search(self, scope: SearchScope, vector: Scores, *, hits_max: int) -> DenseMatches:
        """See ``ports.index.VectorSpace``."""
        return await self._compute.run(self._search, scope, vector, hits_max)

    async def cosines(self, vector: Scores, ids: Ids) -> Cosines:
        """See ``ports.index.VectorSpace``."""
        return await self._compute.run(self._cosines, vector, ids)

    def _search(self, scope: SearchScope, vector: Scores, hits_max: int) -> DenseMatches:
        found: list[tuple[Ids, Scores]] = []
        exact = True
        for partition_id, inside in zip(scope.partition_ids, scope.chunks, strict=True):
            kept = self._kept.get(partition_id)
            if kept is None:
                continue
            # Now first: the index holds at least as much.
            held, index = kept.now, kept.index
            rows, _ = kept.places(held.ids, inside)
            if index is None or len(rows) <= FILTERED_EXACT_MAX:
                found.append((held.ids[rows], held.cosines(vector, rows)))
                continue
            exact = False
            allowed = None if len(rows) == len(held.ids) else held.ids[rows]
            at, there = rows_of(held.ids, np.sort(index.nearest(vector, hits_max * OVERFETCH, allowed)))
            at = at[there]
            scores = held.cosines(vector, at)
            best = np.sort(np.argsort(-scores, kind="stable")[:hits_max])
            found.append((held.ids[at[best]], scores[best]))
        return _joined(found, exact)

    def _cosines(self, vector: Scores, ids: Ids) -> Cosines:
        scores, known = np.full(len(ids), np.nan, np.float32), 0
        for each in self._kept.values():
            held = each.now
            rows, which = each.places(held.ids, ids)
            scores[which] = held.cosines(vector, rows)
            known += len(which)
        return Cosines(scores, known)


def _joined(found: list[tuple[Ids, Scores]], exact: bool) -> DenseMatches:
    if len(found) == 1:
        return DenseMatches(*found[0], exact)
    ids = np.concatenate([f[0] for f in found]) if found else np.zeros(0, np.int64)
    scores = np.concatenate([f[1] for f in found]) if found else np.zeros(0, np.float32)
    order = np.argsort(ids, kind="stable")
    return DenseMatches(ids[order], scores[order], exact)
