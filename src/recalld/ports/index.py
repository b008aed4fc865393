"""The search index: which chunks a caller may find, and a bounded table of candidates with their evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recalld.domain.caller import Caller
from recalld.domain.node import ContextType
from recalld.domain.query import Query
from recalld.domain.uri import Uri
from recalld.rules.rank_features import RankRows

Ids = NDArray[np.int64]
Rows = NDArray[np.int32]
Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class CandidateRows(RankRows):
    """One row per chunk, in ascending order of ``ids``: the columns ranking needs, and those that hits and pages show.

    ``entry``: rows with the same number are one hit: the chunks of a node, while the abstract and the overview of a
    directory are hits of their own. ``at``: epoch seconds; ``kind``: 0 file, 1 message, 2 directory tier; ``cache``: values
    derived from these rows, which live as long as they do. Searches of one small scope share its rows.
    """

    ids: Ids
    entry: Ids
    at: NDArray[np.float64]
    kind: NDArray[np.int8]
    level: NDArray[np.int8]
    cache: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LexicalMatches:
    """What a query's terms matched in a scope, with the statistics of the scope: what is stored elsewhere plays no part.

    ``terms``: the query's distinct terms. ``document_frequency``: per term, the number of chunks in scope that contain it (in
    a scope of at least a quarter of its partition, an estimate for terms too common to be fetched). ``selective``: per term,
    True if it selected candidates, False if it only scored candidates of other terms. ``chunks``: number of chunks in
    scope. ``token``: opaque, for ``candidates``.
    """

    terms: tuple[str, ...]
    document_frequency: Scores
    selective: NDArray[np.bool_]
    chunks: int
    token: object


@dataclass(frozen=True, slots=True)
class DenseMatches:
    """What the vectors of a query matched in a scope. ``exact``: every vector of the scope was compared, not only the nearest ones
    of an approximate search. ``token``: opaque, for ``candidates``."""

    exact: bool
    token: object


@dataclass(frozen=True, slots=True)
class Cosines:
    """Exact cosines per row, NaN where a chunk has no vector; ``vector_count``: how many have one."""

    scores: Scores
    vector_count: int


@dataclass(frozen=True, slots=True)
class CandidateTable:
    """Candidates with their neighbours in reading order, and the evidence for each row.

    Posting k: the query's term ``term[k]`` occurs ``count[k]`` times in row ``row[k]``. ``phrase``: rows that contain the
    terms in sequence; ``quoted``: the same for each quoted phrase. ``cosines``: by model.
    """

    rows: CandidateRows
    term: Rows
    row: Rows
    count: Scores
    phrase: Rows
    cosines: Mapping[str, Cosines]
    quoted: tuple[Rows, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Chunks of a scope in ascending order of id. ``after``: opaque, where the next page begins; "" = no more."""

    rows: CandidateRows
    after: str


@dataclass(frozen=True, slots=True)
class HitRecord:
    """What an answer shows of a node. ``abstract``: L0, or a message's own text; ``overview``: L1; ``quotes``: the
    messages a memory was derived from; ``quoted``: their node ids in the same order (0 = deleted)."""

    node_id: int
    uri: Uri
    type: ContextType
    kind: int
    abstract: str
    overview: str = ""
    tags: tuple[str, ...] = ()
    session_id: str = ""
    message_id: str = ""
    source: dict[str, Any] = field(default_factory=dict)
    quotes: tuple[Uri, ...] = ()
    quoted: tuple[int, ...] = ()


class SearchView(Protocol):
    """One search: the chunks that a caller and a query's filters let through, at one position of the log.

    Every method raises ``Busy`` when the store is saturated and ``Corrupt`` when what it reads is damaged.
    """

    @property
    def seq(self) -> int:
        """The log position."""

    @property
    def size(self) -> int:
        """Number of chunks in scope."""

    async def lexical(
        self, terms: tuple[str, ...], phrase: tuple[str, ...], quoted: tuple[tuple[str, ...], ...] = ()
    ) -> LexicalMatches:
        """Match the terms of ``rules/tokens``. ``phrase``: the query's terms in order, () = no phrase search; ``quoted``:
        further sequences of terms. The chunks that contain one are candidates. A term that its partitions do not contain may
        match similar ones (``rules/spelling``), with half their count.

        A term in more than 5% of the scope's chunks selects no candidates; it only scores those of other terms. If all
        terms are that common, the two rarest select.
        """

    async def load_vectors(self, models: Sequence[str], *, linger_s: float = 0.0) -> None:
        """Make ready for ``dense``, while the query is being embedded: load vectors of these models (fingerprints) that were stored
        meanwhile. ``linger_s``: how long the call may wait to be batched with others.
        """

    async def dense(self, vectors: Mapping[str, Scores], *, limit: int) -> DenseMatches:
        """Compare the vectors of loaded models with the query's (by model; float32, unit length).

        Exact over a scope that is scored in full; otherwise the ``limit`` nearest of each model. Vectors of different models
        are never compared.
        """

    async def candidates(
        self, lexical: LexicalMatches | None, dense: DenseMatches | None, *, around: int
    ) -> CandidateTable:
        """Return the rows to rank, with the evidence of these matches of this view.

        All rows of a small scope. Of a larger one the best matches, with up to ``around`` chunks before and after each in
        its group. Chunks outside the scope are never included.
        """

    async def hydrate(self, nodes: Sequence[int], *, tiers: bool = True) -> list[HitRecord]:
        """Return addresses and texts of these nodes, in order, without those deleted meanwhile. Without ``tiers`` abstracts
        and overviews are empty."""

    async def page(self, after: str, limit: int) -> Page:
        """Return up to ``limit`` chunks of the scope behind a page's ``after`` ("" = the first ones). Raises ``Invalid`` for
        an ``after`` of no page."""


class SearchIndex(Protocol):
    """Full text and vectors of one store. A search finds everything that was committed before it was opened."""

    async def open(self, caller: Caller, query: Query, *, linger_s: float = 0.0) -> SearchView:
        """Resolve a query's targets, types, levels, tags, times and exclusions; its text plays no part.

        A missing target gives an empty scope. ``linger_s``: how long the call may wait to be batched with others. Raises
        ``Denied`` and ``Invalid`` for filters.
        """
