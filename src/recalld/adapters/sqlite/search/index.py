"""The search index of one store: its catalog, its lexicon and its vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recalld.adapters.sqlite.database.readers import Readers
from recalld.domain.caller import Caller
from recalld.domain.query import Query
from recalld.ports.compute import Compute
from recalld.ports.index import CandidateTable, Cosines, DenseMatches, HitRecord, Ids, LexicalMatches, Page, Scores

from .candidates import candidate_ids, candidate_table
from .catalog import Catalog
from .hydrate import hydrate
from .lexicon import Lexicon
from .pages import next_ids
from .scope import Scope
from .vectors import VectorIndex, Vectors

FULL_SCORING_ROWS_MAX = 20_000
"""Scopes up to this size are scored in full. Larger ones are scored by candidates."""
CATALOG_ROWS_MAX = 4_000_000
CACHED_POSTINGS_MAX = 1_000_000
VECTOR_BYTES_MAX = 2_000_000_000
EXACT_ROWS_MAX = 50_000
"""Vectors of a partition and model that are compared one by one: up to there the approximate index costs as much CPU time
(3.1 against 2.6 ms for 256 numbers, 3.9 against 3.8 ms for 384)."""
NO_IDS: Ids = np.zeros(0, np.int64)


class SqliteSearchIndex:
    """See ``ports.index.SearchIndex``. Everything it caches follows the store, and can be dropped at any time."""

    def __init__(
        self,
        store: Readers,
        compute: Compute,
        *,
        full_rows_max: int = FULL_SCORING_ROWS_MAX,
        catalog_rows_max: int = CATALOG_ROWS_MAX,
        cached_postings_max: int = CACHED_POSTINGS_MAX,
        exact_rows_max: int = EXACT_ROWS_MAX,
        vector_bytes_max: int = VECTOR_BYTES_MAX,
    ) -> None:
        self._store = store
        self._catalog = Catalog(store, rows_max=catalog_rows_max, full_rows_max=full_rows_max)
        self._lexicon = Lexicon(store, cached_postings_max=cached_postings_max)
        self._vectors = Vectors(store, compute, exact_max=exact_rows_max, bytes_max=vector_bytes_max)

    async def open(self, caller: Caller, query: Query, *, linger_s: float = 0.0) -> SqliteSearchView:
        """See ``ports.index.SearchIndex``."""
        scope = await self._catalog.resolve_scope(caller, query, linger_s=linger_s)
        return SqliteSearchView(scope, self._store, self._lexicon, self._vectors)


@dataclass(frozen=True, slots=True)
class _Compared:
    """The token of ``DenseMatches``: the vectors by model and what they were compared with; the cosines of a scope that is
    scored in full, else the ids of the nearest chunks."""

    vectors: Mapping[str, Scores]
    index: VectorIndex
    found: Mapping[str, Cosines] | Ids


class SqliteSearchView:
    """See ``ports.index.SearchView``."""

    def __init__(self, scope: Scope, store: Readers, lexicon: Lexicon, vectors: Vectors) -> None:
        self.seq = scope.seq
        self.size = scope.size
        self._scope = scope
        self._store = store
        self._lexicon = lexicon
        self._vectors = vectors
        self._loaded: VectorIndex | None = None

    async def lexical(
        self, terms: tuple[str, ...], phrase: tuple[str, ...], quoted: tuple[tuple[str, ...], ...] = ()
    ) -> LexicalMatches:
        """See ``ports.index.SearchView``."""
        return await self._lexicon.match(self._scope, terms, phrase, quoted)

    async def load_vectors(self, models: Sequence[str], *, linger_s: float = 0.0) -> None:
        """See ``ports.index.SearchView``."""
        self._loaded = await self._vectors.refresh(self._scope.partition_ids, models, linger_s=linger_s)

    async def dense(self, vectors: Mapping[str, Scores], *, limit: int) -> DenseMatches:
        """See ``ports.index.SearchView``."""
        index, table = self._loaded, self._scope.table
        assert index is not None
        if table is not None:
            return DenseMatches(True, _Compared(vectors, index, await index.cosines(vectors, table.ids)))
        nearest = await index.search(self._scope, vectors, hits_max=limit)
        return DenseMatches(nearest.exact, _Compared(vectors, index, nearest.ids))

    async def candidates(
        self, lexical: LexicalMatches | None, dense: DenseMatches | None, *, around: int
    ) -> CandidateTable:
        """See ``ports.index.SearchView``."""
        rows = self._scope.table
        compared = dense.token if dense is not None and isinstance(dense.token, _Compared) else None
        if rows is None:
            nearest = compared.found if compared is not None and isinstance(compared.found, np.ndarray) else NO_IDS
            ids = candidate_ids(lexical, nearest)
            rows = await self._store.read(lambda _: self._scope.table_around(ids, around))
        cosines: Mapping[str, Cosines] = {}
        if compared is not None:
            found = compared.found
            cosines = (
                await compared.index.cosines(compared.vectors, rows.ids) if isinstance(found, np.ndarray) else found
            )
        return candidate_table(rows, lexical, cosines)

    async def hydrate(self, nodes: Sequence[int], *, tiers: bool = True) -> list[HitRecord]:
        """See ``ports.index.SearchView``."""
        return await self._store.read(lambda c: hydrate(c, nodes, tiers=tiers)) if nodes else []

    async def page(self, after: str, limit: int) -> Page:
        """See ``ports.index.SearchView``."""
        ids, more = next_ids(self._scope.ids, after, limit)
        rows = await self._store.read(lambda _: self._scope.table_around(ids, 0))
        return Page(rows, str(int(ids[-1])) if more else "")
