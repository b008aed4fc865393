"""Joins what a search matched to rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from recalld.ports.index import CandidateRows, CandidateTable, Cosines, Ids, LexicalMatches, Rows
from recalld.rules.rank import idf

from .lexicon import NO_MATCHES, MatchedChunks

CANDIDATES_MAX = 1_000
"""Chunks that terms may select in a scope that is not scored in full."""


def candidate_ids(lexical: LexicalMatches | None, nearest: Ids) -> Ids:
    """Return ascending ids of the chunks with the most informative terms, of those with a phrase, and of the nearest."""
    if lexical is None:
        return np.unique(np.concatenate([NO_MATCHES.phrase, nearest]))
    postings, phrase, quoted = matched(lexical)
    ids, member = np.unique(postings.chunk, return_inverse=True)
    if len(ids) > CANDIDATES_MAX:
        worth = np.bincount(member, idf(lexical.document_frequency, lexical.chunks)[postings.term])
        ids = ids[np.argpartition(-worth, CANDIDATES_MAX)[:CANDIDATES_MAX]]
    return np.unique(np.concatenate([ids, phrase, *quoted, nearest]))


def candidate_table(
    rows: CandidateRows, lexical: LexicalMatches | None, cosines: Mapping[str, Cosines]
) -> CandidateTable:
    """Return the rows with their evidence."""
    (term, chunk, count), phrase, quoted = NO_MATCHES if lexical is None or not len(rows.ids) else matched(lexical)
    at = np.minimum(np.searchsorted(rows.ids, chunk), len(rows.ids) - 1)
    there = rows.ids[at] == chunk
    return CandidateTable(
        rows=rows,
        term=term[there],
        row=at[there].astype(np.int32),
        count=count[there],
        phrase=_rows_of(rows, phrase),
        cosines=cosines,
        quoted=tuple(_rows_of(rows, each) for each in quoted),
    )


def _rows_of(rows: CandidateRows, ids: Ids) -> Rows:
    return np.flatnonzero(np.isin(rows.ids, ids)).astype(np.int32) if len(ids) else NO_MATCHES.postings.term


def matched(lexical: LexicalMatches) -> MatchedChunks:
    """Return what the lexicon found."""
    assert isinstance(lexical.token, MatchedChunks)
    return lexical.token
