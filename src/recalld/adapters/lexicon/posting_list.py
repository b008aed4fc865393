"""Where terms stand, and those postings that are kept."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recalld.infra.offload import Mutex
from recalld.ports.index import Ids

from .posting_delta import NO_COUNTS, NO_IDS, PostingDelta


@dataclass(frozen=True, slots=True)
class PostingList:
    """Where a term stands in one owner's chunks, those that have gone since among them. ``chunks`` ascending, None: too common
    to be fetched whole; ``fetched_frequency``: in how many it stood then."""

    document_frequency: int
    chunks: Ids | None
    counts: NDArray[np.float32] | None
    fetched_frequency: int

    def up_to(self, delta: PostingDelta, term: str) -> PostingList:
        """What of it was there when the tail began."""
        if self.chunks is None or self.counts is None:
            return PostingList(
                max(0, self.document_frequency - len(delta.postings_of(term, _ALL)[0])),
                None,
                None,
                self.fetched_frequency,
            )
        old = int(np.searchsorted(self.chunks, delta.base, "right"))
        if not old:
            return EMPTY
        return PostingList(old, self.chunks[:old], self.counts[:old], self.fetched_frequency)

    def merged(self, delta: PostingDelta, term: str, newest: int) -> PostingList:
        """This and what the tail has up to a chunk."""
        chunks, counts = delta.postings_of(term, newest)
        if not len(chunks):
            return self
        document_frequency = self.document_frequency + len(chunks)
        if self.chunks is None or self.counts is None:
            return PostingList(document_frequency, None, None, self.fetched_frequency)
        ids, counts = np.concatenate([self.chunks, chunks]), np.concatenate([self.counts, counts])
        return PostingList(document_frequency, ids, counts, self.fetched_frequency)


GROWN, GROWN_MIN = 2, 100
"""A posting that has become so many times as large, and so much larger, is fetched anew: part of it has gone by then."""
_ALL = 2**63 - 1
EMPTY = PostingList(0, NO_IDS, NO_COUNTS, 0)
"""One for all terms that stand nowhere, which most of those asked for do."""


class PostingCache:
    """Postings by owner and term, of ``postings_max`` places together; the one fetched longest ago goes first. Threads share
    it: what it holds is counted by one at a time, or the count would drift away from what is there."""

    def __init__(self, postings_max: int) -> None:
        self._postings_max = postings_max
        self._lists: OrderedDict[tuple[int, str], tuple[object, PostingList]] = OrderedDict()
        self._lock = Mutex()
        self._postings = 0

    def get(self, partition_id: int, term: str, delta: PostingDelta) -> PostingList | None:
        """What was kept beside this tail, or beside the one it came after and is carried on now."""
        stamp, posting = self._lists.get((partition_id, term), (None, EMPTY))
        if stamp is delta.stamp:
            return posting
        before = delta.previous
        if before is None or stamp is not before.stamp:
            return None
        carried = posting.merged(before, term, delta.base)
        if carried.document_frequency > GROWN * posting.fetched_frequency + GROWN_MIN:
            return None
        self.put(partition_id, term, delta, carried)
        return carried

    def put(self, partition_id: int, term: str, delta: PostingDelta, posting: PostingList) -> None:
        """Keep it in place of a former one."""
        with self._lock:
            former = self._lists.get((partition_id, term))
            self._lists[partition_id, term] = (delta.stamp, posting)
            self._postings += _weight(posting) - (_weight(former[1]) if former else 0)
            while self._postings > self._postings_max and len(self._lists) > 1:
                _, (_, dropped) = self._lists.popitem(last=False)
                self._postings -= _weight(dropped)


def _weight(posting: PostingList) -> int:
    """In places of twelve bytes: what it takes to remember that a term stands nowhere, and more where it stands."""
    return 32 if posting is EMPTY else 80 + (0 if posting.chunks is None else len(posting.chunks))
