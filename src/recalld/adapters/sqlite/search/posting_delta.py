"""Terms added since the cached posting lists were read, so that appending a message does not invalidate the whole cache."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import apsw
import numpy as np
import orjson
from numpy.typing import NDArray

from recalld.adapters.sqlite.database.sql import fetch_one
from recalld.ports.index import Ids

ROWS_MAX = 500
TERMS_MAX = 8_000
"""Over all chunks of a delta, about 2 MB. A longer delta is started again."""
_UNSPACED_FROM = "\u0e00"
_EXTENTS = """
SELECT json_group_array(json_array(o.id, o.chunks, o.terms, o.epoch,
  (SELECT coalesce(max(id), 0) FROM chunk WHERE owner = o.id),
  (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'chunk')))
FROM json_each(?) w JOIN owner o ON o.id = w.value"""
_NEW_CHUNKS = """
SELECT json_group_array(json_array(id, terms)) FROM
  (SELECT id, terms FROM chunk WHERE owner = ? AND id > ? AND id <= ? ORDER BY id LIMIT ?)"""
NO_IDS: Ids = np.zeros(0, np.int64)
NO_COUNTS: NDArray[np.float32] = np.zeros(0, np.float32)


def is_prefix_term(term: str) -> bool:
    """Return True for a lone character of a script without spaces: it is the prefix of a bigram wherever it occurs."""
    return len(term) == 1 and term >= _UNSPACED_FROM


class Extent(NamedTuple):
    """Size of a partition: chunks, their terms, its epoch and its largest chunk id. ``latest``: the largest chunk id ever
    assigned in the store, which never decreases."""

    chunks: int
    terms: int
    epoch: int
    newest: int
    latest: int


def extents_of(c: apsw.Connection, partition_ids: Sequence[int]) -> list[Extent]:
    """Return the extents in order, as this read transaction sees them."""
    found = {
        partition_id: Extent(*row)
        for partition_id, *row in orjson.loads(fetch_one(c, _EXTENTS, (orjson.dumps(partition_ids).decode(),))[0])
    }
    return [found.get(partition_id, Extent(0, 0, 0, 0, 0)) for partition_id in partition_ids]


class PostingDelta:
    """Postings of the chunks added after ``base``. Deleted chunks stay in it: callers filter by live ids.

    ``stamp`` identifies the delta without keeping it alive. ``previous`` is the delta before it, complete up to ``base``;
    lists cached with that one are merged with it.

    Several readers may update a delta at once, each as far as its own transaction sees. Adding a chunk twice has no
    effect, so no lock is needed.
    """

    def __init__(self, epoch: int, base: int, previous: PostingDelta | None = None) -> None:
        """``base``: fetched postings account for all chunks up to this id."""
        self.epoch = epoch
        self.base = base
        self.stamp = object()
        self.previous = previous
        self._last = base
        self._lengths: dict[int, int] = {}
        self._counts: dict[str, dict[int, int]] = {}

    def catch_up(self, c: apsw.Connection, partition_id: int, extent: Extent) -> bool:
        """Add the chunks up to ``extent``. Returns False if they are too many, or if more than additions happened."""
        if extent.epoch != self.epoch:
            return False
        if extent.newest <= self._last:
            self._last = max(self._last, extent.latest)
            return True
        spare = ROWS_MAX - len(self._lengths)
        new_chunks = orjson.loads(
            fetch_one(c, _NEW_CHUNKS, (partition_id, self._last, extent.latest, max(spare, 0) + 1))[0]
        )
        if len(new_chunks) > spare or sum(list(self._lengths.values())) > TERMS_MAX:
            return False
        for chunk, terms in new_chunks:
            self._add(chunk, terms.split())
        self._last = max(self._last, extent.latest)
        return True

    def successor(self) -> PostingDelta:
        """Return a delta that starts where this one ends."""
        self.previous = None
        return PostingDelta(self.epoch, self._last, previous=self)

    def postings_of(self, term: str, newest: int) -> tuple[Ids, NDArray[np.float32]]:
        """Return ascending ids of chunks up to ``newest`` that contain a term, and its counts."""
        names = [each for each in list(self._counts) if each.startswith(term)] if is_prefix_term(term) else [term]
        counted = [dict(self._counts[each]) for each in names if each in self._counts]
        if not counted:
            return NO_IDS, NO_COUNTS
        counts = Counter[int]()
        for each in counted:
            counts.update(each)
        found = sorted((chunk, count) for chunk, count in counts.items() if chunk <= newest)
        return np.array([chunk for chunk, _ in found], np.int64), np.array([count for _, count in found], np.float32)

    def _add(self, chunk: int, terms: list[str]) -> None:
        for term, count in Counter(terms).items():
            self._counts.setdefault(term, {})[chunk] = count
        self._lengths[chunk] = len(terms)
