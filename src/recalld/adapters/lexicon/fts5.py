"""Full text on FTS5: postings come out packed by SQLite, so that no Python loop meets a row."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

import apsw
import numpy as np
import orjson
from numpy.typing import NDArray

from recalld.infra.lookup import only
from recalld.ports.index import Ids, LexicalMatches, Scores, SearchScope
from recalld.rules.owned import owned

from .posting import NOWHERE, KeptPostings, Posting
from .tail import NO_COUNTS, NO_IDS, Extent, Tail, begins, extents_of

T = TypeVar("T")
FINDING_MAX = 12
"""How many of a query's rarest terms may find."""
COMMON_SHARE = 0.05
PLACES_MIN = 1_500
"""A term that stands in fewer places than this always finds, however small the owner's space."""
RESCORING_MAX = 3
PHRASE_TERMS = (3, 32)
ALL_COMMON = 2
"""If all terms are common, so many of the rarest find, by presence alone."""
POSTINGS_KEPT = 1_000_000
TAILS_MAX = 64
_PLACES = (
    "SELECT json_group_object(w.value, "
    "(SELECT group_concat(doc) FROM (SELECT doc FROM fts_place WHERE term = w.value LIMIT ?2))) FROM json_each(?1) w"
)
_PLACES_BEGUN = "SELECT group_concat(doc) FROM (SELECT doc FROM fts_place WHERE term >= ? AND term < ? LIMIT ?)"
_FOUND_IN = "SELECT doc FROM fts_row WHERE term = ?"
_MATCH = "SELECT group_concat(rowid) FROM fts WHERE fts MATCH ?"


class Reader(Protocol):
    """The store's bounded reader connections."""

    async def read(self, fn: Callable[[apsw.Connection], T]) -> T:
        """Run ``fn`` on a reader connection inside one read transaction."""
        ...


class Fts5Lexicon:
    """Postings of rare terms are fetched whole and kept while the owner's space only grows; common ones only rescore."""

    def __init__(self, store: Reader, *, postings_kept: int = POSTINGS_KEPT) -> None:
        self._store = store
        self._kept = KeptPostings(postings_kept)
        self._tails: OrderedDict[int, Tail] = OrderedDict()

    async def match(self, scope: SearchScope, terms: tuple[str, ...], phrase: tuple[str, ...]) -> LexicalMatches:
        """See ``ports.index.Lexicon``."""
        distinct = tuple(dict.fromkeys(terms))
        if not distinct or not scope.size:
            return _nothing(distinct)
        return await self._store.read(lambda c: self._match(c, scope, distinct, phrase))

    def _match(
        self, c: apsw.Connection, scope: SearchScope, terms: tuple[str, ...], phrase: tuple[str, ...]
    ) -> LexicalMatches:
        found_in = np.zeros(len(terms), np.float32)
        found_by = np.zeros(len(terms), np.bool_)
        places: list[_Places] = []
        phrases: list[Ids] = []
        extents = extents_of(c, scope.partition_ids)
        everywhere = self._postings(c, scope.partition_ids, extents, terms)
        total, length = sum(now.chunks for now in extents), sum(now.terms for now in extents)
        for partition_id, space, inside, postings in zip(
            scope.partition_ids, scope.partitions, scope.chunks, everywhere, strict=True
        ):
            whole = _side_by_side(postings)
            whole = whole.where(_held(whole.chunk, space.live_ids))
            here = _found_in(postings, whole)
            found_in += here
            finding = _finding(postings, here)
            if not finding:
                finding = [int(k) for k in np.lexsort((np.arange(len(here)), here)) if here[k]][:ALL_COMMON]
                whole = _side_by_side(
                    [self._all_of(c, partition_id, term, k in finding) for k, term in enumerate(terms)]
                )
            found_by[finding] = True
            common = [k for k, count in enumerate(here) if k not in finding and count]
            rescoring = sorted(common, key=lambda k: here[k])[:RESCORING_MAX]
            finders = whole if len(finding) < FINDING_MAX else whole.where(np.isin(whole.term, finding))
            finders = finders.where(_held(finders.chunk, inside))
            more = _joined([self._rescore(c, partition_id, whole, postings, terms, finding, k) for k in rescoring])
            places += [finders, more.where(_held(more.chunk, inside))]
            if _may_hold_phrase(here[[term in phrase for term in terms]], finding, phrase, finders):
                ids = _phrase(c, partition_id, phrase)
                phrases.append(ids[_held(ids, inside)])
        joined = _joined(places)
        return LexicalMatches(
            terms=terms,
            term=joined.term,
            chunk=joined.chunk,
            count=joined.often,
            found_in=found_in,
            found_by=found_by,
            chunks=total,
            terms_mean=length / max(total, 1),
            phrase=np.sort(np.concatenate(phrases)) if phrases else np.zeros(0, np.int64),
        )

    def _tail(self, c: apsw.Connection, partition_id: int, now: Extent) -> Tail:
        """What came since the owner's postings were fetched; they are carried on beside a new one while that is possible."""
        tail = self._tails.get(partition_id)
        if tail is None or not tail.reaches(c, partition_id, now):
            tail = Tail(now.epoch, now.latest) if tail is None else tail.after()
            if not tail.reaches(c, partition_id, now):
                tail = Tail(now.epoch, now.latest)
            self._tails[partition_id] = tail
        while len(self._tails) > TAILS_MAX:
            self._tails.popitem(last=False)
        return tail

    def _postings(
        self, c: apsw.Connection, partition_ids: Sequence[int], extents: Sequence[Extent], terms: tuple[str, ...]
    ) -> list[list[Posting]]:
        """Per owner, where each term stands; what has gone may still be among it."""
        spaces = [
            (partition_id, now, self._tail(c, partition_id, now))
            for partition_id, now in zip(partition_ids, extents, strict=True)
        ]
        found: dict[tuple[int, str], Posting] = {}
        missing: list[tuple[int, str, Extent, Tail]] = []
        for partition_id, now, tail in spaces:
            for term in terms:
                kept = self._kept.get(partition_id, term, tail)
                if kept is not None:
                    found[partition_id, term] = kept
                else:
                    missing.append((partition_id, term, now, tail))
        fetched = _fetch(c, [(partition_id, term, _places_max(now)) for partition_id, term, now, _ in missing])
        for (partition_id, term, now, tail), posting in zip(missing, fetched, strict=True):
            found[partition_id, term] = base = posting.without(tail, term)
            if now.latest >= tail.base:  # else this transaction began before the tail: others may know more
                self._kept.put(partition_id, term, tail, base)
        return [
            [found[partition_id, term].joined(tail, term, now.latest) for term in terms]
            for partition_id, now, tail in spaces
        ]

    def _all_of(self, c: apsw.Connection, partition_id: int, term: str, wanted: bool) -> Posting:
        """Every chunk that holds a common term; how often is not asked."""
        if not wanted:
            return NOWHERE
        ids = _ids(c, f'"{owned(partition_id, term)}"')
        return Posting(len(ids), ids, np.ones(len(ids), np.float32), len(ids))

    def _rescore(
        self,
        c: apsw.Connection,
        partition_id: int,
        whole: _Places,
        postings: Sequence[Posting],
        terms: tuple[str, ...],
        finding: list[int],
        k: int,
    ) -> _Places:
        """Which of the found chunks also hold a common term; how often is not asked."""
        if postings[k].chunks is not None:
            return whole.where(whole.term == k)
        finders = " OR ".join(f'"{owned(partition_id, terms[f])}"' for f in finding)
        ids = _ids(c, f'"{owned(partition_id, terms[k])}" AND ({finders})')
        return _Places(np.full(len(ids), k, np.int32), ids, np.ones(len(ids), np.float32))


def _places_max(now: Extent) -> int:
    """A term in more places than this is too common to be fetched."""
    return int(max(PLACES_MIN, COMMON_SHARE * now.chunks * 1.5))


def _fetch(c: apsw.Connection, asked: Sequence[tuple[int, str, int]]) -> list[Posting]:
    """Postings of (owner, term, places at most). One row for all of them: each step of SQLite gives the interpreter up
    and waits for it again."""
    most = max((places for _, _, places in asked), default=0)
    whole = [owned(partition_id, term) for partition_id, term, _ in asked if not begins(term)]
    packed = orjson.loads(only(c, _PLACES, (orjson.dumps(whole).decode(), most + 1))[0]) if whole else {}
    for partition_id, term, places in asked:
        if begins(term):
            first = owned(partition_id, term)
            packed[first] = only(c, _PLACES_BEGUN, (first, first + chr(0x10FFFF), places + 1))[0]
    names = [owned(partition_id, term) for partition_id, term, _ in asked]
    return [_posting(c, name, packed[name], places) for name, (_, _, places) in zip(names, asked, strict=True)]


def _posting(c: apsw.Connection, term: str, packed: str | None, places_max: int) -> Posting:
    if packed is None:
        return NOWHERE
    places = np.fromstring(packed, dtype=np.int64, sep=",")
    if len(places) > places_max:
        row = c.execute(_FOUND_IN, (term,)).fetchone()
        found_in = int(row[0]) if row else 0
        return Posting(found_in, None, None, found_in)
    ids, counts = np.unique(places, return_counts=True)
    return Posting(len(ids), ids, counts.astype(np.float32), len(ids))


def _found_in(postings: Sequence[Posting], live_ids: _Places) -> Scores:
    """In how many living chunks each term stands; of common ones: in how many it did when it was last counted."""
    counted = np.bincount(live_ids.term, minlength=len(postings)).astype(np.float32)
    return np.where([p.chunks is None for p in postings], [p.found_in for p in postings], counted).astype(np.float32)


def _finding(postings: Sequence[Posting], found_in: Scores) -> list[int]:
    """Terms that find: the rarest of those fetched."""
    fetched = [k for k, p in enumerate(postings) if p.chunks is not None and found_in[k]]
    return sorted(fetched, key=lambda k: (found_in[k], k))[:FINDING_MAX]


class _Places(NamedTuple):
    """Postings side by side, sorted by chunk within a term: term number, chunk, how often. Kept together because numpy
    gives the interpreter up at every look, and one look at all costs less than one at each."""

    term: NDArray[np.int32]
    chunk: Ids
    often: NDArray[np.float32]

    def where(self, keep: NDArray[np.bool_]) -> _Places:
        """Some of them."""
        return _Places(self.term[keep], self.chunk[keep], self.often[keep])


_NO_PLACES = _Places(np.zeros(0, np.int32), NO_IDS, NO_COUNTS)


def _side_by_side(postings: Sequence[Posting]) -> _Places:
    fetched = [(k, p.chunks, p.counts) for k, p in enumerate(postings) if p.chunks is not None and p.counts is not None]
    lengths = [len(chunks) for _, chunks, _ in fetched]
    return _Places(
        np.repeat(np.array([k for k, _, _ in fetched], np.int32), lengths),
        np.concatenate([NO_IDS, *(chunks for _, chunks, _ in fetched)]),
        np.concatenate([NO_COUNTS, *(counts for _, _, counts in fetched)]),
    )


def _joined(parts: Sequence[_Places]) -> _Places:
    held = [part for part in parts if len(part.term)]
    if len(held) == 1:
        return held[0]
    return _Places(*(np.concatenate(columns) for columns in zip(_NO_PLACES, *held, strict=True)))


def _held(ids: Ids, inside: Ids) -> NDArray[np.bool_]:
    """Which of these are in ascending ``inside``."""
    if not len(inside) or not len(ids):
        return np.zeros(len(ids), np.bool_)
    held: NDArray[np.bool_] = inside[np.minimum(np.searchsorted(inside, ids), len(inside) - 1)] == ids
    return held


def _may_hold_phrase(found_in: Scores, finding: list[int], phrase: tuple[str, ...], found: _Places) -> bool:
    """Only if some chunk holds every finding term is a phrase worth looking for."""
    if not PHRASE_TERMS[0] <= len(phrase) <= PHRASE_TERMS[1] or not found_in.all() or not finding:
        return False
    together = np.unique(found.chunk, return_counts=True)[1]
    return bool(len(together)) and int(together.max()) >= len(finding)


def _phrase(c: apsw.Connection, partition_id: int, phrase: tuple[str, ...]) -> Ids:
    return _ids(c, '"' + " ".join(owned(partition_id, t) for t in phrase) + '"')


def _ids(c: apsw.Connection, match: str) -> Ids:
    packed = c.execute(_MATCH, (match,)).fetchone()
    return np.sort(np.fromstring(packed[0], dtype=np.int64, sep=",")) if packed and packed[0] else np.zeros(0, np.int64)


def _nothing(terms: tuple[str, ...]) -> LexicalMatches:
    ids = np.zeros(0, np.int64)
    none = np.zeros(0, np.float32)
    return LexicalMatches(
        terms,
        ids.astype(np.int32),
        ids,
        none,
        np.zeros(len(terms), np.float32),
        np.zeros(len(terms), np.bool_),
        0,
        0.0,
        ids,
    )
