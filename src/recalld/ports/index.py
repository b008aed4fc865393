"""The index: full text (lexicon), vectors and the scope that bounds both to what a caller may see."""

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
"""Scopes up to this size are scored in full; larger ones by candidates."""


class Partition(Protocol):
    """One owner's chunks as the catalog knows them."""

    @property
    def live_ids(self) -> Ids:
        """Ids of all that stand for something now, ascending: in scope or not."""
        ...


@dataclass(frozen=True, slots=True)
class SearchScope:
    """Which chunks a query may find, resolved before anything is searched.

    ``partition_ids``: the index spaces to look into. ``chunks``: per owner, ascending ids of every chunk that is alive, visible,
    inside the targets and of the asked types, levels, tags and times. ``partitions``: per owner, as it goes on living. ``seq``:
    log position it reflects.
    ``targeted``: the query named subtrees. ``token`` belongs to the catalog that made it.
    """

    partition_ids: tuple[int, ...]
    chunks: tuple[Ids, ...]
    partitions: tuple[Partition, ...]
    seq: int
    targeted: bool = False
    token: object = None

    @property
    def size(self) -> int:
        """How many chunks can be found."""
        return sum(len(c) for c in self.chunks)


@dataclass(frozen=True, slots=True)
class ChunkTable:
    """Columns about chunks, one row per id of ``ids`` (ascending): what ranking needs without touching the disk.

    ``node``: node id; ``group``: what is read in one go (a session's talk, a folder of turns, else the file);
    ``previous``/``next``: row index here of the neighbouring chunk in reading order, -1 if none or not in this table;
    ``length``: number of terms; ``at``: epoch seconds; ``kind``: 0 file, 1 message, 2 directory tier; ``speaker``: small
    integer, the index into ``speakers``, -1 = nobody; ``asks``: ends with a question mark;
    ``cache``: what was derived from this very table, worth keeping with it.
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

    One posting: term ``term[k]`` (index into ``terms``) stands ``count[k]`` times in chunk ``chunk[k]``; sorted by chunk
    within a term. ``terms``: the query's distinct terms; ``document_frequency``: per term, in how many of the owners' living chunks
    it stands (one too common to be fetched: stood, when that was last counted); ``selective``: per term, whether it was used
    to find (False: it only rescored what others found); ``chunks``/``mean_length``: the owners' number of chunks and mean
    length; ``phrase``: ids, ascending, that hold all the query's terms in a row.
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
    """Cosines of a query vector inside a scope: ``ids`` ascending with their ``scores``; exact says whether all are
    there or only the best ones."""

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
    messages a memory was made from, ``quoted`` their node ids in the same order (0 = gone)."""

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
    """Full-text search over terms made by ``rules/tokens``."""

    async def match(self, scope: SearchScope, terms: tuple[str, ...], phrase: tuple[str, ...]) -> LexicalMatches:
        """Terms found in more than 5% of the owners' chunks are not used to find, only to count in what the others found
        (all common: the two rarest find). ``phrase``: the query's terms in order, () = do not look for a phrase."""
        ...


class VectorIndex(Protocol):
    """Stored vectors of some owners and one model, at least as new as when it was asked for."""

    async def search(self, scope: SearchScope, vector: Scores, *, hits_max: int) -> DenseMatches:
        """``scope``: of the same owners; ``vector``: float32, unit length. Up to 20,000 chunks of an owner: exact over all;
        beyond: the best ``hits_max``, rescored exactly. Chunks without a vector of this model are simply absent. Raises
        ``Busy``."""
        ...

    async def cosines(self, vector: Scores, ids: Ids) -> Cosines:
        """Exact cosines of these chunks (ascending ids). Raises ``Busy``."""
        ...


class Vectors(Protocol):
    """Nearest neighbours among stored vectors."""

    async def refresh(self, partition_ids: Sequence[int], fingerprint: str, *, linger_s: float = 0.0) -> VectorIndex:
        """Vectors of these owners, brought up to the store's end: looking into them waits for the disk no more.
        ``linger_s``: so long it may wait for others who ask the same. Raises ``Busy``."""
        ...

    async def serving_model(self, partition_ids: Sequence[int] = ()) -> str:
        """Fingerprint of the model to search these owners' chunks with: the wanted one once all they had when it was first
        wanted have had its vectors, the one before until then ("" = none was ever wanted). A chunk that is new since then
        does not change it back. No ``partition_ids``: all of the store's."""
        ...


class Catalog(Protocol):
    """What is in the index and who may find it, kept in memory and brought up to the log's end at every call."""

    async def resolve_scope(self, caller: Caller, query: Query, *, linger_s: float = 0.0) -> SearchScope:
        """Resolve a query's targets, types, levels, tags and times. ``linger_s``: so long it may wait for
        others who ask too. Raises ``NotFound``/``Denied``/``Invalid`` for targets."""
        ...

    async def table(self, scope: SearchScope, ids: Ids | None = None, *, around: int = 0) -> ChunkTable:
        """Columns for these ids (None: the whole scope) and the ``around`` chunks before and after each in its group; the
        last line of defence: ids outside the scope are left out."""
        ...

    async def hydrate(self, scope: SearchScope, nodes: Sequence[int]) -> list[HitRecord]:
        """Addresses and texts of these nodes, in order; what has gone meanwhile is left out."""
        ...
