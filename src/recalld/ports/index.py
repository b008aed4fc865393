"""The search index: full text (lexicon), vectors, and the scope that limits both to what a caller may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recalld.domain.caller import Caller
from recalld.domain.node import ContextType
from recalld.domain.query import Query
from recalld.domain.uri import Uri

Ids = NDArray[np.int64]
Rows = NDArray[np.int32]
Scores = NDArray[np.float32]

FULL_SCORING_ROWS_MAX = 20_000
"""Scopes up to this size are scored in full. Larger ones are scored by candidates."""


class Partition(Protocol):
    """One partition of the index: a user's own tree, or what an account shares."""

    @property
    def live_ids(self) -> Ids:
        """Ids of all current chunks, ascending, whether in scope or not."""
        ...


@dataclass(frozen=True, slots=True)
class SearchScope:
    """Which chunks a query may find, resolved before the search.

    ``partition_ids``: the partitions to search. ``chunks``: per partition, ascending ids of every chunk that is current,
    visible, inside the targets and of the requested types, levels, tags and times. ``partitions``: the partitions
    themselves, which keep following the store. ``seq``: the log position the scope reflects. ``targeted``: the query names
    subtrees. ``token``: opaque, for the catalog that resolved the scope.
    """

    partition_ids: tuple[int, ...]
    chunks: tuple[Ids, ...]
    partitions: tuple[Partition, ...]
    seq: int
    targeted: bool = False
    token: object = None

    @property
    def size(self) -> int:
        """Number of chunks in scope."""
        return sum(len(c) for c in self.chunks)


@dataclass(frozen=True, slots=True)
class ChunkTable:
    """Columns about chunks, one row per id of ``ids`` (ascending): everything ranking needs, without disk access.

    ``node``: node id; ``group``: what is read as one text (a session, a folder of turns, else the file);
    ``previous``/``next``: row index here of the neighbouring chunk in reading order, -1 if none or not in this table;
    ``length``: number of terms; ``at``: epoch seconds; ``kind``: 0 file, 1 message, 2 directory tier; ``speaker``: small
    integer, the index into ``speakers``, -1 = none; ``asks``: the text ends with a question mark;
    ``cache``: values derived from this table, which live as long as it.
    """

    ids: Ids
    node: Ids
    group: Ids
    previous: Rows
    next: Rows
    length: NDArray[np.float32]
    at: NDArray[np.float64]
    kind: NDArray[np.int8]
    level: NDArray[np.int8]
    speaker: Rows
    asks: NDArray[np.bool_]
    speakers: tuple[str, ...]
    cache: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class LexicalMatches:
    """Postings of a query's terms inside a scope.

    Posting k: term ``term[k]`` (index into ``terms``) occurs ``count[k]`` times in chunk ``chunk[k]``; sorted by chunk
    within a term. ``terms``: the query's distinct terms. ``document_frequency``: per term, the number of live chunks that
    contain it, over the partitions (for a term too common to be fetched: as of its last count). ``selective``: per term,
    True if it selected candidates, False if it only scored candidates of other terms. ``chunks``/``mean_length``: number of
    chunks of the partitions and their mean length. ``phrase``: ascending ids of chunks that contain the terms in sequence.
    """

    terms: tuple[str, ...]
    term: Rows
    chunk: Ids
    count: Scores
    document_frequency: Scores
    selective: NDArray[np.bool_]
    chunks: int
    mean_length: float
    phrase: Ids

    @property
    def ids(self) -> Ids:
        """Chunks with at least one posting, ascending."""
        return np.unique(self.chunk)


@dataclass(frozen=True, slots=True)
class DenseMatches:
    """Cosines of a query vector inside a scope: ``ids`` ascending with their ``scores``. ``exact``: all ids of the scope that
    have a vector are included, not only the best ones."""

    ids: Ids
    scores: Scores
    exact: bool


@dataclass(frozen=True, slots=True)
class Cosines:
    """Cosines of given chunks: ``scores`` in the order of the ids, NaN where a chunk has no vector; ``vector_count``: how
    many have one."""

    scores: Scores
    vector_count: int


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


class Lexicon(Protocol):
    """Full-text search over the terms of ``rules/tokens``."""

    async def match(self, scope: SearchScope, terms: tuple[str, ...], phrase: tuple[str, ...]) -> LexicalMatches:
        """Return the postings of ``terms`` in scope.

        A term in more than 5% of the partitions' chunks selects no candidates; it only scores those of other terms. If
        all terms are that common, the two rarest select. ``phrase``: the query's terms in order, () = no phrase search.
        """
        ...


class VectorIndex(Protocol):
    """Stored vectors of some partitions and one model, at least as new as the call that returned it."""

    async def search(self, scope: SearchScope, vector: Scores, *, hits_max: int) -> DenseMatches:
        """Return the nearest chunks of ``scope``, which covers the same partitions. ``vector``: float32, unit length.

        Exact over all chunks up to 20,000 a partition; beyond, the best ``hits_max`` of an approximate index, rescored
        exactly. Chunks without a vector of this model are absent. Raises ``Busy``.
        """
        ...

    async def cosines(self, vector: Scores, ids: Ids) -> Cosines:
        """Return exact cosines of these chunks (ascending ids). Raises ``Busy``."""
        ...


class Vectors(Protocol):
    """Nearest-neighbour search over stored vectors."""

    async def refresh(self, partition_ids: Sequence[int], fingerprint: str, *, linger_s: float = 0.0) -> VectorIndex:
        """Load the new vectors of these partitions and return an index over all of them, which needs no disk access.

        ``linger_s``: how long the call may wait to be batched with others. Raises ``Busy``.
        """
        ...

    async def serving_model(self, partition_ids: Sequence[int] = ()) -> str:
        """Return the fingerprint of the model whose vectors are searched in these partitions ("" = no model was ever set).

        It is the configured model once the backfill is complete, i.e. all chunks that existed when it was configured have
        its vectors; until then it is the previous one. Later chunks do not change it back. No ``partition_ids``: the whole
        store.
        """
        ...


class Catalog(Protocol):
    """What is in the index and who may find it: held in memory, refreshed from the store at every call."""

    async def resolve_scope(self, caller: Caller, query: Query, *, linger_s: float = 0.0) -> SearchScope:
        """Resolve a query's targets, types, levels, tags and times. ``linger_s``: how long the call may wait to be batched
        with others. Raises ``NotFound``, ``Denied`` or ``Invalid`` for targets."""
        ...

    async def table(self, scope: SearchScope, ids: Ids | None = None, *, around: int = 0) -> ChunkTable:
        """Return columns for these ids (None: the whole scope) and for up to ``around`` chunks before and after each in its
        group. Ids outside the scope are left out, whatever the caller passes."""
        ...

    async def hydrate(self, scope: SearchScope, nodes: Sequence[int], *, tiers: bool = True) -> list[HitRecord]:
        """Addresses and texts of these nodes, in order; what has gone meanwhile is left out. Without ``tiers`` abstracts and
        overviews are empty. Raises ``Corrupt``."""
        ...
