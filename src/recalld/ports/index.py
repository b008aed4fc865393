"""The index: full text (lexicon), vectors and the reach that bounds both to what a caller may see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recalld.domain.caller import Caller
from recalld.domain.query import Query

Ids = NDArray[np.int64]
Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Reach:
    """Which chunks a query may find, resolved before anything is searched.

    ``owners``: the index spaces to look into. ``chunks``: per owner, ascending ids of every chunk that is alive, visible,
    inside the targets and of the asked types, levels, tags and times. ``seq``: log position it reflects.
    """

    owners: tuple[int, ...]
    chunks: tuple[Ids, ...]
    seq: int

    @property
    def size(self) -> int:
        """How many chunks can be found."""
        return sum(len(c) for c in self.chunks)


@dataclass(frozen=True, slots=True)
class ChunkTable:
    """Columns about chunks, one row per id of ``ids`` (ascending): what ranking needs without touching the disk.

    ``node``: node id; ``group``: what belongs together (session, else node); ``previous``/``next``: row index here of
    the neighbouring chunk in reading order, -1 if none or not in this table; ``length``: number of terms; ``at``: epoch
    seconds; ``kind``: 0 file, 1 message, 2 directory tier; ``speaker``: small integer, the index into ``speakers``, -1
    = nobody; ``asks``: ends with a question mark.
    """

    ids: Ids
    node: Ids
    group: Ids
    previous: NDArray[np.int32]
    next: NDArray[np.int32]
    length: NDArray[np.float32]
    at: NDArray[np.float64]
    kind: NDArray[np.int8]
    level: NDArray[np.int8]
    speaker: NDArray[np.int32]
    asks: NDArray[np.bool_]
    speakers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LexicalMatches:
    """Postings of a query's terms inside a reach.

    ``ids``: chunks with at least one term, ascending; ``counts``: float32, shape (len(terms), len(ids)), how often each
    term stands in each chunk; ``terms`` in the order of the rows; ``found_in``: per term, in how many of the owners'
    chunks it stands; ``chunks``/``terms_mean``: the owners' number of chunks and mean length; ``phrase``: ids that hold
    all the query's terms in a row.
    """

    ids: Ids
    counts: NDArray[np.float32]
    terms: tuple[str, ...]
    found_in: NDArray[np.float32]
    chunks: int
    terms_mean: float
    phrase: Ids


@dataclass(frozen=True, slots=True)
class DenseMatches:
    """Cosines of a query vector inside a reach: ``ids`` ascending with their ``scores``; exact says whether all are
    there or only the best ones."""

    ids: Ids
    scores: Scores
    exact: bool


class Lexicon(Protocol):
    """Full-text search over terms made by ``rules/tokens``."""

    async def match(self, reach: Reach, terms: tuple[str, ...], phrase: tuple[str, ...]) -> LexicalMatches:
        """Terms found in more than 5% of the owners' chunks are not used to find, only to count in what the others found
        (all common: the two rarest find). ``phrase``: the query's terms in order, () = do not look for a phrase."""
        ...


class Vectors(Protocol):
    """Nearest neighbours among stored vectors of one model."""

    async def search(self, reach: Reach, fingerprint: str, vector: Scores, *, hits_max: int) -> DenseMatches:
        """``vector``: float32, unit length. Up to 20,000 chunks of an owner: exact over all; beyond: the best
        ``hits_max``, rescored exactly. Chunks without a vector of this model are simply absent."""
        ...

    async def active(self, fingerprint: str, previous: tuple[str, ...] = ()) -> str:
        """The fingerprint to search with: the wanted one if its vectors are complete, else the newest complete one, else the
        wanted one."""
        ...


class Catalog(Protocol):
    """What is in the index and who may find it, kept in memory and brought up to the log's end at every call."""

    async def reach(self, caller: Caller, query: Query) -> Reach:
        """Resolve a query's targets, types, levels, tags and times. Raises ``NotFound``/``Denied``/``Invalid`` for targets."""
        ...

    async def table(self, reach: Reach, ids: Ids) -> ChunkTable:
        """Columns for these ids (ascending); the last line of defence: ids outside the reach are left out."""
        ...
