"""Posting lists and their cache."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recalld.infra.thread_pool import Lock
from recalld.ports.index import Ids

from .posting_delta import NO_COUNTS, NO_IDS, PostingDelta


@dataclass(frozen=True, slots=True)
class PostingList:
    """Posting list of a term in one partition; may include deleted chunks.

    ``chunks``: ascending ids, None for a term too common to be fetched; ``fetched_frequency``: the document frequency when
    the list was fetched; ``postings_max``: the number of postings that was too many to fetch, 0 if the list was fetched.
    """

    document_frequency: int
    chunks: Ids | None
    counts: NDArray[np.float32] | None
    fetched_frequency: int
    postings_max: int = 0

    def up_to(self, delta: PostingDelta, term: str) -> PostingList:
        """Return the part of the list that is older than ``delta``."""
        if self.chunks is None or self.counts is None:
            return PostingList(
                max(0, self.document_frequency - len(delta.postings_of(term, _ALL)[0])),
                None,
                None,
                self.fetched_frequency,
                self.postings_max,
            )
        old = int(np.searchsorted(self.chunks, delta.base, "right"))
        if not old:
            return EMPTY
        return PostingList(old, self.chunks[:old], self.counts[:old], self.fetched_frequency)

    def merged(self, delta: PostingDelta, term: str, newest: int) -> PostingList:
        """Return the list with the postings of ``delta`` up to chunk ``newest``."""
        chunks, counts = delta.postings_of(term, newest)
        if not len(chunks):
            return self
        document_frequency = self.document_frequency + len(chunks)
        if self.chunks is None or self.counts is None:
            return PostingList(document_frequency, None, None, self.fetched_frequency, self.postings_max)
        ids, counts = np.concatenate([self.chunks, chunks]), np.concatenate([self.counts, counts])
        return PostingList(document_frequency, ids, counts, self.fetched_frequency)

    def limited(self, postings_max: int) -> PostingList:
        """Return the list as if it had been fetched with this limit: what a search finds does not depend on the cache."""
        if self.chunks is None or len(self.chunks) <= postings_max:
            return self
        return PostingList(self.document_frequency, None, None, self.fetched_frequency, postings_max)


GROWN, GROWN_MIN = 2, 100
"""A list that has grown by this factor and this number is fetched again: part of it is deleted by then."""
_ALL = 2**63 - 1
EMPTY = PostingList(0, NO_IDS, NO_COUNTS, 0)
"""Shared by all terms without postings: most terms of a query have none."""


class PostingCache:
    """Posting lists by partition and term, at most ``postings_max`` postings; the list fetched first is evicted first.

    Threads share the cache. Only counting needs the lock: concurrent updates would make the count drift.
    """

    def __init__(self, postings_max: int) -> None:
        self._postings_max = postings_max
        self._lists: OrderedDict[tuple[int, str], tuple[object, PostingList]] = OrderedDict()
        self._lock = Lock()
        self._postings = 0

    def get(self, partition_id: int, term: str, delta: PostingDelta) -> PostingList | None:
        """Return the list cached with this delta, or the one cached with its predecessor, merged with that one."""
        stamp, posting = self._lists.get((partition_id, term), (None, EMPTY))
        if stamp is delta.stamp:
            return posting
        previous = delta.previous
        if previous is None or stamp is not previous.stamp:
            return None
        merged = posting.merged(previous, term, delta.base)
        if merged.document_frequency > GROWN * posting.fetched_frequency + GROWN_MIN:
            return None
        self.put(partition_id, term, delta, merged)
        return merged

    def put(self, partition_id: int, term: str, delta: PostingDelta, posting: PostingList) -> None:
        """Cache a list, replacing the former one."""
        with self._lock:
            former = self._lists.get((partition_id, term))
            self._lists[partition_id, term] = (delta.stamp, posting)
            self._postings += _weight(posting) - (_weight(former[1]) if former else 0)
            while self._postings > self._postings_max and len(self._lists) > 1:
                _, (_, dropped) = self._lists.popitem(last=False)
                self._postings -= _weight(dropped)


def _weight(posting: PostingList) -> int:
    """Return the memory of a cached list, in postings of twelve bytes."""
    return 32 if posting is EMPTY else 80 + (0 if posting.chunks is None else len(posting.chunks))
