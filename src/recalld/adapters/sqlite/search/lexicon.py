"""Full-text search on FTS5. SQLite returns packed posting lists, so that no Python code loops over rows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import apsw
import numpy as np
import orjson
from numpy.typing import NDArray

from recalld.adapters.sqlite.database.readers import Readers
from recalld.adapters.sqlite.database.sql import fetch_one
from recalld.ports.index import Ids, LexicalMatches, Scores
from recalld.rules.partition_terms import qualified_term

from .posting_delta import NO_COUNTS, NO_IDS, Extent, PostingDelta, extents_of, is_prefix_term
from .posting_list import EMPTY, PostingCache, PostingList
from .scope import Scope

SELECTIVE_TERMS_MAX = 12
"""How many of a query's rarest terms may select candidates."""
COMMON_SHARE = 0.05
COMMON_POSTINGS_MIN = 1_500
"""A term with fewer postings than this always selects candidates, however small the partition."""
RESCORING_MAX = 3
PHRASE_TERMS = (3, 32)
FALLBACK_TERMS = 2
"""If all terms are common, this many of the rarest select candidates, without counts."""
DELTAS_MAX = 64
_OCCURRENCES = (
    "SELECT json_group_object(w.value, "
    "(SELECT group_concat(doc) FROM (SELECT doc FROM fts_place WHERE term = w.value LIMIT ?2))) FROM json_each(?1) w"
)
_PREFIX_OCCURRENCES = "SELECT group_concat(doc) FROM (SELECT doc FROM fts_place WHERE term >= ? AND term < ? LIMIT ?)"
_CHUNKS_WITH_TERM = "SELECT doc FROM fts_row WHERE term = ?"
_MATCH = "SELECT group_concat(rowid) FROM fts WHERE fts MATCH ?"


class Postings(NamedTuple):
    """Postings of several terms in parallel arrays, sorted by chunk within a term: term number, chunk, count. One array call
    on all of them costs less than one on each, because numpy releases the GIL at every call."""

    term: NDArray[np.int32]
    chunk: Ids
    counts: NDArray[np.float32]

    def where(self, keep: NDArray[np.bool_]) -> Postings:
        """Return the postings selected by a mask."""
        return Postings(self.term[keep], self.chunk[keep], self.counts[keep])


_NO_POSTINGS = Postings(np.zeros(0, np.int32), NO_IDS, NO_COUNTS)


class MatchedChunks(NamedTuple):
    """The token of ``LexicalMatches``: postings in scope, and ascending ids of the chunks that contain the phrase."""

    postings: Postings
    phrase: Ids


NO_MATCHES = MatchedChunks(_NO_POSTINGS, NO_IDS)


class Lexicon:
    """Posting lists of rare terms are fetched whole and cached while their partition only grows. Common terms only rescore."""

    def __init__(self, store: Readers, *, cached_postings_max: int) -> None:
        self._store = store
        self._cache = PostingCache(cached_postings_max)
        self._deltas: OrderedDict[int, PostingDelta] = OrderedDict()

    async def match(self, scope: Scope, terms: tuple[str, ...], phrase: tuple[str, ...]) -> LexicalMatches:
        """Return the postings of the terms in scope. See ``ports.index.SearchView.lexical``."""
        distinct = tuple(dict.fromkeys(terms))
        if distinct and scope.size:
            return await self._store.read(lambda c: self._match(c, scope, distinct, phrase))
        none = np.zeros(len(distinct), np.float32)
        return LexicalMatches(distinct, none, none > 0, 0, 0.0, NO_MATCHES)

    def _match(
        self, c: apsw.Connection, scope: Scope, terms: tuple[str, ...], phrase: tuple[str, ...]
    ) -> LexicalMatches:
        document_frequency = np.zeros(len(terms), np.float32)
        selective = np.zeros(len(terms), np.bool_)
        parts: list[Postings] = []
        phrases: list[Ids] = []
        extents = extents_of(c, scope.partition_ids)
        per_partition = self._postings(c, scope.partition_ids, extents, terms)
        total, length = sum(extent.chunks for extent in extents), sum(extent.terms for extent in extents)
        for partition, inside, postings in zip(scope.partitions, scope.ids, per_partition, strict=True):
            partition_id = partition.row.id
            all_postings = _flatten(postings)
            all_postings = all_postings.where(_is_member(all_postings.chunk, partition.live_ids))
            frequency = _document_frequency(postings, all_postings)
            document_frequency += frequency
            selective_terms = _selective_terms(postings, frequency)
            if not selective_terms:
                selective_terms = [int(k) for k in np.lexsort((np.arange(len(frequency)), frequency)) if frequency[k]][
                    :FALLBACK_TERMS
                ]
                all_postings = _flatten(
                    [
                        self._whole_posting_list(c, partition_id, term, k in selective_terms)
                        for k, term in enumerate(terms)
                    ]
                )
            selective[selective_terms] = True
            common = [k for k, count in enumerate(frequency) if k not in selective_terms and count]
            rescoring = sorted(common, key=lambda k: frequency[k])[:RESCORING_MAX]
            selected = (
                all_postings
                if len(selective_terms) < SELECTIVE_TERMS_MAX
                else all_postings.where(np.isin(all_postings.term, selective_terms))
            )
            selected = selected.where(_is_member(selected.chunk, inside))
            more = _concatenate(
                [self._rescore(c, partition_id, all_postings, postings, terms, selective_terms, k) for k in rescoring]
            )
            parts += [selected, more.where(_is_member(more.chunk, inside))]
            if _may_contain_phrase(frequency[[term in phrase for term in terms]], selective_terms, phrase, selected):
                ids = _phrase(c, partition_id, phrase)
                phrases.append(ids[_is_member(ids, inside)])
        return LexicalMatches(
            terms=terms,
            document_frequency=document_frequency,
            selective=selective,
            chunks=total,
            mean_length=length / max(total, 1),
            token=MatchedChunks(_concatenate(parts), np.sort(np.concatenate([NO_IDS, *phrases]))),
        )

    def _delta(self, c: apsw.Connection, partition_id: int, extent: Extent) -> PostingDelta:
        """Return the terms added since the partition's lists were fetched. A full delta gets a successor, if that can catch up."""
        delta = self._deltas.get(partition_id)
        if delta is None or not delta.catch_up(c, partition_id, extent):
            delta = PostingDelta(extent.epoch, extent.latest) if delta is None else delta.successor()
            if not delta.catch_up(c, partition_id, extent):
                delta = PostingDelta(extent.epoch, extent.latest)
            self._deltas[partition_id] = delta
        while len(self._deltas) > DELTAS_MAX:
            self._deltas.popitem(last=False)
        return delta

    def _postings(
        self, c: apsw.Connection, partition_ids: Sequence[int], extents: Sequence[Extent], terms: tuple[str, ...]
    ) -> list[list[PostingList]]:
        """Return the posting list of each term per partition; it may include deleted chunks."""
        partitions = [
            (partition_id, extent, self._delta(c, partition_id, extent))
            for partition_id, extent in zip(partition_ids, extents, strict=True)
        ]
        found: dict[tuple[int, str], PostingList] = {}
        missing: list[tuple[int, str, Extent, PostingDelta]] = []
        for partition_id, extent, delta in partitions:
            for term in terms:
                cached = self._cache.get(partition_id, term, delta)
                if cached is not None:
                    found[partition_id, term] = cached
                else:
                    missing.append((partition_id, term, extent, delta))
        fetched = _fetch(c, [(partition_id, term, _postings_max(extent)) for partition_id, term, extent, _ in missing])
        for (partition_id, term, extent, delta), posting in zip(missing, fetched, strict=True):
            found[partition_id, term] = base = posting.up_to(delta, term)
            if (
                extent.latest >= delta.base
            ):  # else this transaction began before the delta: another thread may have more
                self._cache.put(partition_id, term, delta, base)
        return [
            [found[partition_id, term].merged(delta, term, extent.latest) for term in terms]
            for partition_id, extent, delta in partitions
        ]

    def _whole_posting_list(self, c: apsw.Connection, partition_id: int, term: str, wanted: bool) -> PostingList:
        """Return every chunk that contains a common term, with count 1."""
        if not wanted:
            return EMPTY
        ids = _ids(c, f'"{qualified_term(partition_id, term)}"')
        return PostingList(len(ids), ids, np.ones(len(ids), np.float32), len(ids))

    def _rescore(
        self,
        c: apsw.Connection,
        partition_id: int,
        all_postings: Postings,
        postings: Sequence[PostingList],
        terms: tuple[str, ...],
        selective_terms: list[int],
        k: int,
    ) -> Postings:
        """Return which of the candidates also contain a common term, with count 1."""
        if postings[k].chunks is not None:
            return all_postings.where(all_postings.term == k)
        selected = " OR ".join(f'"{qualified_term(partition_id, terms[f])}"' for f in selective_terms)
        ids = _ids(c, f'"{qualified_term(partition_id, terms[k])}" AND ({selected})')
        return Postings(np.full(len(ids), k, np.int32), ids, np.ones(len(ids), np.float32))


def _postings_max(extent: Extent) -> int:
    """Return how many postings a fetched term may have: more make it too common."""
    return int(max(COMMON_POSTINGS_MIN, COMMON_SHARE * extent.chunks * 1.5))


def _fetch(c: apsw.Connection, requests: Sequence[tuple[int, str, int]]) -> list[PostingList]:
    """Return the posting lists of (partition, term, postings at most), read as one row: each step of SQLite releases and
    re-acquires the GIL."""
    most = max((postings_max for _, _, postings_max in requests), default=0)
    all_postings = [
        qualified_term(partition_id, term) for partition_id, term, _ in requests if not is_prefix_term(term)
    ]
    packed = (
        orjson.loads(fetch_one(c, _OCCURRENCES, (orjson.dumps(all_postings).decode(), most + 1))[0])
        if all_postings
        else {}
    )
    for partition_id, term, postings_max in requests:
        if is_prefix_term(term):
            first = qualified_term(partition_id, term)
            packed[first] = fetch_one(c, _PREFIX_OCCURRENCES, (first, first + chr(0x10FFFF), postings_max + 1))[0]
    names = [qualified_term(partition_id, term) for partition_id, term, _ in requests]
    return [_posting_list(c, name, packed[name], most) for name, (_, _, most) in zip(names, requests, strict=True)]


def _posting_list(c: apsw.Connection, term: str, packed: str | None, postings_max: int) -> PostingList:
    if packed is None:
        return EMPTY
    occurrences = np.fromstring(packed, dtype=np.int64, sep=",")
    if len(occurrences) > postings_max:
        row = c.execute(_CHUNKS_WITH_TERM, (term,)).fetchone()
        document_frequency = int(row[0]) if row else 0
        return PostingList(document_frequency, None, None, document_frequency)
    ids, counts = np.unique(occurrences, return_counts=True)
    return PostingList(len(ids), ids, counts.astype(np.float32), len(ids))


def _document_frequency(postings: Sequence[PostingList], live: Postings) -> Scores:
    """Return the number of live chunks per term; for a common term, the number at its last count."""
    counted = np.bincount(live.term, minlength=len(postings)).astype(np.float32)
    return np.where([p.chunks is None for p in postings], [p.document_frequency for p in postings], counted).astype(
        np.float32
    )


def _selective_terms(postings: Sequence[PostingList], document_frequency: Scores) -> list[int]:
    """Return the numbers of the rarest fetched terms, which select candidates."""
    fetched = [k for k, p in enumerate(postings) if p.chunks is not None and document_frequency[k]]
    return sorted(fetched, key=lambda k: (document_frequency[k], k))[:SELECTIVE_TERMS_MAX]


def _flatten(postings: Sequence[PostingList]) -> Postings:
    fetched = [(k, p.chunks, p.counts) for k, p in enumerate(postings) if p.chunks is not None and p.counts is not None]
    lengths = [len(chunks) for _, chunks, _ in fetched]
    return Postings(
        np.repeat(np.array([k for k, _, _ in fetched], np.int32), lengths),
        np.concatenate([NO_IDS, *(chunks for _, chunks, _ in fetched)]),
        np.concatenate([NO_COUNTS, *(counts for _, _, counts in fetched)]),
    )


def _concatenate(parts: Sequence[Postings]) -> Postings:
    filled = [part for part in parts if len(part.term)]
    if len(filled) == 1:
        return filled[0]
    return Postings(*(np.concatenate(columns) for columns in zip(_NO_POSTINGS, *filled, strict=True)))


def _is_member(ids: Ids, inside: Ids) -> NDArray[np.bool_]:
    """Return which ``ids`` are in ascending ``inside``."""
    if not len(inside) or not len(ids):
        return np.zeros(len(ids), np.bool_)
    member: NDArray[np.bool_] = inside[np.minimum(np.searchsorted(inside, ids), len(inside) - 1)] == ids
    return member


def _may_contain_phrase(
    document_frequency: Scores, selective_terms: list[int], phrase: tuple[str, ...], selected: Postings
) -> bool:
    """Return False if no candidate contains every selective term: then there is no phrase to search for."""
    if not PHRASE_TERMS[0] <= len(phrase) <= PHRASE_TERMS[1] or not document_frequency.all() or not selective_terms:
        return False
    terms_per_chunk = np.unique(selected.chunk, return_counts=True)[1]
    return bool(len(terms_per_chunk)) and int(terms_per_chunk.max()) >= len(selective_terms)


def _phrase(c: apsw.Connection, partition_id: int, phrase: tuple[str, ...]) -> Ids:
    return _ids(c, '"' + " ".join(qualified_term(partition_id, t) for t in phrase) + '"')


def _ids(c: apsw.Connection, match: str) -> Ids:
    packed = c.execute(_MATCH, (match,)).fetchone()
    return np.sort(np.fromstring(packed[0], dtype=np.int64, sep=",")) if packed and packed[0] else np.zeros(0, np.int64)
