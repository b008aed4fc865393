"""Where terms stand, and those postings that are kept."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recalld.infra.offload import Mutex
from recalld.ports.index import Ids

from .tail import NO_COUNTS, NO_IDS, Tail


@dataclass(frozen=True, slots=True)
class Posting:
    """Where a term stands in one owner's chunks, those that have gone since among them. ``chunks`` ascending, None: too common
    to be fetched whole; ``fetched_in``: in how many it stood then."""

    found_in: int
    chunks: Ids | None
    counts: NDArray[np.float32] | None
    fetched_in: int

    def without(self, tail: Tail, term: str) -> Posting:
        """What of it was there when the tail began."""
        if self.chunks is None or self.counts is None:
            return Posting(max(0, self.found_in - len(tail.of(term, _ALL)[0])), None, None, self.fetched_in)
        old = int(np.searchsorted(self.chunks, tail.base, "right"))
        if not old:
            return NOWHERE
        return Posting(old, self.chunks[:old], self.counts[:old], self.fetched_in)

    def joined(self, tail: Tail, term: str, newest: int) -> Posting:
        """This and what the tail has up to a chunk."""
        chunks, counts = tail.of(term, newest)
        if not len(chunks):
            return self
        found_in = self.found_in + len(chunks)
        if self.chunks is None or self.counts is None:
            return Posting(found_in, None, None, self.fetched_in)
        ids, often = np.concatenate([self.chunks, chunks]), np.concatenate([self.counts, counts])
        return Posting(found_in, ids, often, self.fetched_in)


GROWN, GROWN_MIN = 2, 100
"""A posting that has become so many times as large, and so much larger, is fetched anew: part of it has gone by then."""
_ALL = 2**63 - 1
NOWHERE = Posting(0, NO_IDS, NO_COUNTS, 0)
"""One for all terms that stand nowhere, which most of those asked for do."""


class KeptPostings:
    """Postings by owner and term, of ``places_max`` places together; the one fetched longest ago goes first. Threads share
    it: what it holds is counted by one at a time, or the count would drift away from what is there."""

    def __init__(self, places_max: int) -> None:
        self._places_max = places_max
        self._held: OrderedDict[tuple[int, str], tuple[object, Posting]] = OrderedDict()
        self._counting = Mutex()
        self._places = 0

    def get(self, partition_id: int, term: str, tail: Tail) -> Posting | None:
        """What was kept beside this tail, or beside the one it came after and is carried on now."""
        stamp, posting = self._held.get((partition_id, term), (None, NOWHERE))
        if stamp is tail.stamp:
            return posting
        before = tail.before
        if before is None or stamp is not before.stamp:
            return None
        carried = posting.joined(before, term, tail.base)
        if carried.found_in > GROWN * posting.fetched_in + GROWN_MIN:
            return None
        self.put(partition_id, term, tail, carried)
        return carried

    def put(self, partition_id: int, term: str, tail: Tail, posting: Posting) -> None:
        """Keep it in place of a former one."""
        with self._counting:
            former = self._held.get((partition_id, term))
            self._held[partition_id, term] = (tail.stamp, posting)
            self._places += _weight(posting) - (_weight(former[1]) if former else 0)
            while self._places > self._places_max and len(self._held) > 1:
                _, (_, dropped) = self._held.popitem(last=False)
                self._places -= _weight(dropped)


def _weight(posting: Posting) -> int:
    """In places of twelve bytes: what it takes to remember that a term stands nowhere, and more where it stands."""
    return 32 if posting is NOWHERE else 80 + (0 if posting.chunks is None else len(posting.chunks))
