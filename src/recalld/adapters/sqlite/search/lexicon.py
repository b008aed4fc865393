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

from .misspelt import joined, similar_terms
from .partition_index import PartitionIndex
from .posting_delta import NO_COUNTS, NO_IDS, Extent, PostingDelta, extents_of, is_prefix_term
from .posting_list import EMPTY, PostingCache, PostingList
from .scope import Scope

SELECTIVE_TERMS_MAX = 12
"""How many of a query's rarest terms may select candidates."""
COMMON_SHARE = 0.05
COMMON_POSTINGS_MIN = 1_500
"""A term with fewer postings than this always selects candidates, however small the partition."""
NARROW, NARROW_POSTINGS_MAX = 4, 200_000
"""A scope with less than a quarter of its partition's chunks has statistics of its own: also lists of terms that are common in
the partition are fetched, up to this length."""
RESCORING_MAX = 3
PHRASE_TERMS = (3, 32)
QUOTED_CHUNKS_MAX = 2_000
FALLBACK_TERMS = 2
"""If all terms are common, this many of the rarest select candidates, without counts."""
DELTAS_MAX = 64
_OCCURRENCES = (
    "SELECT json_group_object(w.value, "
    "(SELECT group_concat(doc) FROM (SELECT doc FROM fts_place WHERE term = w.value LIMIT ?2))) FROM json_each(?1) w"
)
_PREFIX_OCCURRENCES = "SELECT group_concat(doc) FROM (SELECT doc FROM fts_place WHERE term >= ? AND term < ? LIMIT ?)"
_CHUNKS_WITH_TERM = "SELECT doc FROM fts_row WHERE term = ?"
_MATCH_SOME = "SELECT group_concat(rowid) FROM (SELECT rowid FROM fts WHERE fts MATCH ? LIMIT ?)"
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
    """The token of ``LexicalMatches``: postings in scope, and ascending ids of the chunks that contain the phrase and each of
    the ``quoted`` ones."""

    postings: Postings
    phrase: Ids
    quoted: tuple[Ids, ...] = ()


class _PartitionMatches(NamedTuple):
    """What terms matched in the scope's part of one partition. ``frequency``: chunks per term; ``selective``: numbers of the
    terms that selected candidates."""

    postings: Postings
    phrase: Ids
    quoted: tuple[Ids, ...]
    frequency: Scores
    selective: list[int]


NO_MATCHES = MatchedChunks(_NO_POSTINGS, NO_IDS)


class Lexicon:
    """Posting lists of rare terms are fetched whole and cached while their partition only grows. Common terms only rescore."""

    def __init__(self, store: Readers, *, cached_postings_max: int) -> None:
        self._store = store
        self._cache = PostingCache(cached_postings_max)
        self._deltas: OrderedDict[int, PostingDelta] = OrderedDict()

    async def match(
        self, scope: Scope, terms: tuple[str, ...], phrase: tuple[str, ...], quoted: tuple[tuple[str, ...], ...]
    ) -> LexicalMatches:
        """Return the postings of the terms in scope. See ``ports.index.SearchView.lexical``."""
        distinct = tuple(dict.fromkeys(terms))
        if distinct and scope.size:
            return await self._store.read(lambda c: self._match(c, scope, distinct, (phrase, *quoted)))
        none = np.zeros(len(distinct), np.float32)
        return LexicalMatches(distinct, none, none > 0, 0, NO_MATCHES)

    def _match(
        self, c: apsw.Connection, scope: Scope, terms: tuple[str, ...], phrases: Sequence[tuple[str, ...]]
    ) -> LexicalMatches:
        extents = extents_of(c, scope.partition_ids)
        narrow = [NARROW * len(i) <= len(p.live_ids) for p, i in zip(scope.partitions, scope.ids, strict=True)]
        per_partition = self._postings(c, scope.partition_ids, extents, narrow, terms)
        similar = similar_terms(c, scope.partition_ids, extents, terms, per_partition)
        for k, words in similar.items():
            for own, lists in zip(
                per_partition, self._postings(c, scope.partition_ids, extents, narrow, words), strict=True
            ):
                own[k] = joined(lists)
        found = [
            self._match_partition(c, partition, inside, extent, postings, terms, phrases)
            for partition, inside, extent, postings in zip(
                scope.partitions, scope.ids, extents, per_partition, strict=True
            )
        ]
        selective = np.zeros(len(terms), np.bool_)
        for each in found:
            selective[each.selective] = True
        return LexicalMatches(
            terms=terms,
            document_frequency=np.sum([each.frequency for each in found], axis=0, dtype=np.float32),
            selective=selective,
            chunks=scope.size,
            token=MatchedChunks(
                _concatenate([each.postings for each in found]),
                np.sort(np.concatenate([NO_IDS, *(each.phrase for each in found)])),
                tuple(np.sort(np.concatenate(ids)) for ids in zip(*(each.quoted for each in found), strict=True)),
            ),
        )

    def _match_partition(
        self,
        c: apsw.Connection,
        partition: PartitionIndex,
        inside: Ids,
        extent: Extent,
        postings: Sequence[PostingList],
        terms: tuple[str, ...],
        phrases: Sequence[tuple[str, ...]],
    ) -> _PartitionMatches:
        """Match the scope's part of one partition, ``inside``. Chunks outside it play no part, except for the frequency of a
        term that is too common to be fetched."""
        partition_id, share = partition.row.id, len(inside) / max(len(partition.live_ids), 1)
        in_scope = _flatten(postings)
        in_scope = in_scope.where(_is_member(in_scope.chunk, inside))
        common = np.bincount(in_scope.term, in_scope.counts, len(terms)) > _postings_max(len(inside))
        common |= [p.chunks is None for p in postings]
        frequency = np.bincount(in_scope.term, minlength=len(terms)).astype(np.float32)
        for k in [k for k, p in enumerate(postings) if p.chunks is None]:
            frequency[k] = postings[k].document_frequency * share
        if common.any():
            in_scope = in_scope.where(~common[in_scope.term])
        selective = _rarest(frequency, np.flatnonzero(~common), SELECTIVE_TERMS_MAX)
        if not selective:
            selective = _rarest(frequency, np.arange(len(terms)), FALLBACK_TERMS)
            in_scope = _flatten(
                [self._whole_posting_list(c, partition_id, t, k in selective) for k, t in enumerate(terms)]
            )
            in_scope = in_scope.where(_is_member(in_scope.chunk, inside))
        others = _rarest(frequency, [k for k in range(len(terms)) if k not in selective], RESCORING_MAX)
        parts = [
            in_scope if len(selective) < SELECTIVE_TERMS_MAX else in_scope.where(np.isin(in_scope.term, selective))
        ]
        for k in others:
            more = (
                self._rescore(c, partition_id, terms, selective, k) if common[k] else in_scope.where(in_scope.term == k)
            )
            parts.append(more.where(_is_member(more.chunk, inside)))
        phrase, *quoted = phrases
        whole = NO_IDS
        if _may_contain_phrase(frequency[[term in phrase for term in terms]], selective, phrase, parts[0]):
            whole = _phrase(c, partition_id, phrase)
            whole = whole[_is_member(whole, inside)]
        found = [_quoted(c, partition_id, each, terms, frequency, in_scope) for each in quoted]
        return _PartitionMatches(
            _concatenate(parts), whole, tuple(ids[_is_member(ids, inside)] for ids in found), frequency, selective
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
        self,
        c: apsw.Connection,
        partition_ids: Sequence[int],
        extents: Sequence[Extent],
        narrow: Sequence[bool],
        terms: tuple[str, ...],
    ) -> list[list[PostingList]]:
        """Return the posting list of each term per partition; it may include deleted chunks. ``narrow``: per partition, True
        if lists of common terms are needed too."""
        partitions = [
            (partition_id, extent, self._delta(c, partition_id, extent))
            for partition_id, extent in zip(partition_ids, extents, strict=True)
        ]
        found: dict[tuple[int, str], PostingList] = {}
        missing: list[tuple[int, str, Extent, PostingDelta, int]] = []
        for (partition_id, extent, delta), whole in zip(partitions, narrow, strict=True):
            postings_max = NARROW_POSTINGS_MAX if whole else _postings_max(extent.chunks)
            for term in terms:
                cached = self._cache.get(partition_id, term, delta)
                if cached is not None and not (cached.chunks is None and cached.postings_max < postings_max):
                    found[partition_id, term] = cached
                else:
                    missing.append((partition_id, term, extent, delta, postings_max))
        fetched = _fetch(c, [(partition_id, term, most) for partition_id, term, _, _, most in missing])
        for (partition_id, term, extent, delta, _), posting in zip(missing, fetched, strict=True):
            found[partition_id, term] = base = posting.up_to(delta, term)
            if (
                extent.latest >= delta.base
            ):  # else this transaction began before the delta: another thread may have more
                self._cache.put(partition_id, term, delta, base)
        return [
            [
                found[partition_id, term]
                .merged(delta, term, extent.latest)
                .limited(NARROW_POSTINGS_MAX if whole else _postings_max(extent.chunks))
                for term in terms
            ]
            for (partition_id, extent, delta), whole in zip(partitions, narrow, strict=True)
        ]

    def _whole_posting_list(self, c: apsw.Connection, partition_id: int, term: str, wanted: bool) -> PostingList:
        """Return every chunk that contains a common term, with count 1."""
        if not wanted:
            return EMPTY
        ids = _ids(c, f'"{qualified_term(partition_id, term)}"')
        return PostingList(len(ids), ids, np.ones(len(ids), np.float32), len(ids))

    def _rescore(
        self, c: apsw.Connection, partition_id: int, terms: tuple[str, ...], selective: Sequence[int], k: int
    ) -> Postings:
        """Return which of the candidates also contain a common term, with count 1."""
        selected = " OR ".join(f'"{qualified_term(partition_id, terms[f])}"' for f in selective)
        ids = _ids(c, f'"{qualified_term(partition_id, terms[k])}" AND ({selected})')
        return Postings(np.full(len(ids), k, np.int32), ids, np.ones(len(ids), np.float32))


def _postings_max(chunks: int) -> int:
    """Return how often a term may occur in so many chunks; beyond that it is too common."""
    return int(max(COMMON_POSTINGS_MIN, COMMON_SHARE * chunks * 1.5))


def _fetch(c: apsw.Connection, requests: Sequence[tuple[int, str, int]]) -> list[PostingList]:
    """Return the posting lists of (partition, term, postings at most). Lists with one limit are read as one row: each step of
    SQLite releases and re-acquires the GIL."""
    packed: dict[str, str | None] = {}
    for most in {postings_max for _, _, postings_max in requests}:
        names = [qualified_term(p, term) for p, term, limit in requests if limit == most and not is_prefix_term(term)]
        if names:
            packed |= orjson.loads(fetch_one(c, _OCCURRENCES, (orjson.dumps(names).decode(), most + 1))[0])
    for partition_id, term, postings_max in requests:
        if is_prefix_term(term):
            first = qualified_term(partition_id, term)
            packed[first] = fetch_one(c, _PREFIX_OCCURRENCES, (first, first + chr(0x10FFFF), postings_max + 1))[0]
    return [
        _posting_list(c, name, packed[name], most) for p, term, most in requests for name in [qualified_term(p, term)]
    ]


def _posting_list(c: apsw.Connection, term: str, packed: str | None, postings_max: int) -> PostingList:
    if packed is None:
        return EMPTY
    occurrences = np.fromstring(packed, dtype=np.int64, sep=",")
    if len(occurrences) > postings_max:
        row = c.execute(_CHUNKS_WITH_TERM, (term,)).fetchone()
        document_frequency = int(row[0]) if row else 0
        return PostingList(document_frequency, None, None, document_frequency, postings_max)
    ids, counts = np.unique(occurrences, return_counts=True)
    return PostingList(len(ids), ids, counts.astype(np.float32), len(ids))


def _rarest(frequency: Scores, among: Ids | Sequence[int], most: int) -> list[int]:
    """Return the numbers of the rarest terms that occur, rarest first."""
    return sorted((int(k) for k in among if frequency[k]), key=lambda k: (frequency[k], k))[:most]


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


def _quoted(
    c: apsw.Connection,
    partition_id: int,
    phrase: tuple[str, ...],
    terms: tuple[str, ...],
    frequency: Scores,
    found: Postings,
) -> Ids:
    """Return the chunks that contain a quoted phrase, () if they are too many to say anything."""
    numbers = [k for k, term in enumerate(terms) if term in phrase]
    if len(phrase) > PHRASE_TERMS[1] or len(numbers) < len(set(phrase)) or not frequency[numbers].all():
        return NO_IDS
    # Full text is searched only if some chunk contains all those of its terms whose postings are here.
    of = np.isin(found.term, numbers)
    distinct = len(np.unique(found.term[of]))
    if not distinct and len(phrase) == 1:
        return NO_IDS
    if distinct and int(np.unique(found.chunk[of], return_counts=True)[1].max()) < distinct:
        return NO_IDS
    match = '"' + " ".join(qualified_term(partition_id, t) for t in phrase) + '"'
    packed = fetch_one(c, _MATCH_SOME, (match + "*" * is_prefix_term(phrase[-1]), QUOTED_CHUNKS_MAX + 1))[0]
    ids = np.sort(np.fromstring(packed, dtype=np.int64, sep=",")) if packed else NO_IDS
    return ids if len(ids) <= QUOTED_CHUNKS_MAX else NO_IDS


def _ids(c: apsw.Connection, match: str) -> Ids:
    packed = c.execute(_MATCH, (match,)).fetchone()
    return np.sort(np.fromstring(packed[0], dtype=np.int64, sep=",")) if packed and packed[0] else np.zeros(0, np.int64)
