"""Where terms stand, and those postings that are kept."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recalld.infra.offload import Turn
from recalld.ports.index import Ids

from .tail import Extent, Tail


@dataclass(frozen=True, slots=True)
class Posting:
    """Where a term stands in one owner's chunks. ``chunks`` ascending, None: too common to be fetched whole."""

    found_in: int
    chunks: Ids | None
    counts: NDArray[np.float32] | None

    def without(self, tail: Tail, term: str, now: Extent) -> Posting:
        """What of it was there when the tail began."""
        if self.chunks is None or self.counts is None:
            return Posting(self.found_in - len(tail.of(term, now.newest)[0]), None, None)
        old = int(np.searchsorted(self.chunks, tail.base.newest, "right"))
        if not old:
            return NOWHERE
        return Posting(old, self.chunks[:old], self.counts[:old])

    def joined(self, tail: Tail, term: str, now: Extent) -> Posting:
        """This and what the tail has."""
        chunks, counts = tail.of(term, now.newest)
        found_in = self.found_in + len(chunks)
        if self.chunks is None or self.counts is None:
            return Posting(found_in, None, None)
        if not len(chunks):
            return self
        return Posting(found_in, np.concatenate([self.chunks, chunks]), np.concatenate([self.counts, counts]))


NOWHERE = Posting(0, np.zeros(0, np.int64), np.zeros(0, np.float32))
"""One for all terms that stand nowhere, which most of those asked for do."""


class KeptPostings:
    """Postings by owner and term, of ``places_max`` places together; the one fetched longest ago goes first. Threads share
    it: what it holds is counted by one at a time, or the count would drift away from what is there."""

    def __init__(self, places_max: int) -> None:
        self._places_max = places_max
        self._held: OrderedDict[tuple[int, str], tuple[object, Posting]] = OrderedDict()
        self._turn = Turn()
        self._places = 0

    def get(self, owner: int, term: str, stamp: object) -> Posting | None:
        """What was kept under the same stamp."""
        held = self._held.get((owner, term))
        return held[1] if held is not None and held[0] is stamp else None

    def put(self, owner: int, term: str, stamp: object, posting: Posting) -> None:
        """Keep it in place of a former one."""
        with self._turn:
            former = self._held.get((owner, term))
            self._held[owner, term] = (stamp, posting)
            self._places += _weight(posting) - (_weight(former[1]) if former else 0)
            while self._places > self._places_max and len(self._held) > 1:
                _, (_, dropped) = self._held.popitem(last=False)
                self._places -= _weight(dropped)


def _weight(posting: Posting) -> int:
    """In places of twelve bytes: what it takes to remember that a term stands nowhere, and more where it stands."""
    return 32 if posting is NOWHERE else 80 + (0 if posting.chunks is None else len(posting.chunks))
