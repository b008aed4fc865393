"""Postings of words that a query misspells."""

from __future__ import annotations

from collections.abc import Sequence

import apsw
import numpy as np
import orjson

from recalld.adapters.sqlite.database.sql import fetch_one
from recalld.rules.partition_terms import qualified_term
from recalld.rules.spelling import correct_prefix, may_be_misspelt, similar_words

from .posting_delta import Extent
from .posting_list import EMPTY, PostingList

MISSPELT_MAX = 2
"""Terms of a query that are looked up."""
CHUNKS_MAX = 5_000
"""Size of a partition up to which its vocabulary is read: 0.1 ms a term (6,282 chunks of code: 0.06 to 0.22 ms)."""
WORDS_MAX = 500
WEIGHT = np.float32(0.5)
"""Part of the occurrences of a similar word that counts."""
_WORDS = "SELECT json_group_array(term) FROM (SELECT term FROM fts_row WHERE term >= ? AND term < ? LIMIT ?)"


def similar_terms(
    c: apsw.Connection,
    partition_ids: Sequence[int],
    extents: Sequence[Extent],
    terms: Sequence[str],
    postings: Sequence[Sequence[PostingList]],
) -> dict[int, tuple[str, ...]]:
    """Return the similar terms by number of term, for up to two terms of the query that no partition contains."""
    found: dict[int, tuple[str, ...]] = {}
    small = [partition_id for partition_id, e in zip(partition_ids, extents, strict=True) if e.chunks <= CHUNKS_MAX]
    unknown = (
        k
        for k, term in enumerate(terms)
        if may_be_misspelt(term) and not any(lists[k].document_frequency for lists in postings)
    )
    for k, _ in zip(unknown, range(MISSPELT_MAX), strict=False):
        words: dict[str, None] = {}
        for partition_id in small:
            first = qualified_term(partition_id, correct_prefix(terms[k]))
            before = len(qualified_term(partition_id, ""))
            names = orjson.loads(fetch_one(c, _WORDS, (first, first + chr(0x10FFFF), WORDS_MAX))[0])
            words |= dict.fromkeys(name[before:] for name in names)
        if similar := similar_words(terms[k], words):
            found[k] = similar
    return found


def joined(similar: Sequence[PostingList]) -> PostingList:
    """Return the postings of a misspelt term: those of the words like it, without those too common to be fetched."""
    fetched = [(one.chunks, one.counts) for one in similar if one.chunks is not None and one.counts is not None]
    if not any(len(chunks) for chunks, _ in fetched):
        return EMPTY
    ids, at = np.unique(np.concatenate([chunks for chunks, _ in fetched]), return_inverse=True)
    counts = np.bincount(at, np.concatenate([counts for _, counts in fetched])).astype(np.float32) * WEIGHT
    return PostingList(len(ids), ids, counts, len(ids))
