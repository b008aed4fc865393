"""Concurrent lexical and dense search under one deadline. Late parts are skipped.

``end`` is a time of the event loop's clock. Optional parts end by then; required ones end with the search itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from recalld.domain.errors import Busy, Corrupt, Invalid, Upstream
from recalld.ports.bundle import Ports
from recalld.ports.embedder import Embedder
from recalld.ports.index import CandidateRows, CandidateTable, DenseMatches, LexicalMatches, Scores, SearchView
from recalld.ports.maintenance import LEXICON, VECTORS
from recalld.rules.rank import Evidence, Similarity, idf
from recalld.rules.rank_features import RowFeatures, prepare
from recalld.rules.ranking_params import DEFAULT

from .plan import Plan

DENSE_HITS = 100
NEIGHBOURS = 4
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class QueryEmbedding:
    """A query's vector of one model, None if there is none, and the degraded parts."""

    model: str
    vector: Scores | None = None
    degraded: tuple[str, ...] = ()


Embedding = tuple[asyncio.Task[QueryEmbedding], ...]
"""A task for each model, in the order of the configuration."""


@asynccontextmanager
async def embedding_query(text: str, ports: Ports, *, end: float) -> AsyncIterator[Embedding]:
    """Embed the query with every model while the block opens the index; cancelled when the block ends."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = tuple(group.create_task(_embed(text, embedder, ports, end)) for embedder in ports.embedders)
            try:
                yield tasks
            finally:
                for task in tasks:
                    task.cancel()
    except ExceptionGroup as several:
        raise several.exceptions[0] from None


async def _embed(text: str, embedder: Embedder, ports: Ports, end: float) -> QueryEmbedding:
    model = embedder.fingerprint
    if not text.strip():
        return QueryEmbedding(model)
    since = ports.clock.monotonic()
    try:
        async with asyncio.timeout_at(min(asyncio.get_running_loop().time() + ports.deadlines.embed_s, end)):
            vector = (await embedder.embed([text], query=True))[0]
    except (Busy, Upstream, Invalid, TimeoutError):
        # Invalid: an extra is not installed. The search continues without this model's vectors and says so.
        return QueryEmbedding(model, degraded=("embedder",))
    finally:
        ports.stages.took("embed", ports.clock.monotonic() - since)
    return QueryEmbedding(model, vector if vector.any() else None)


@dataclass(slots=True)
class Recall:
    """The searches of one query, by words and by the vectors of every model. ``degraded``: the parts that were late or failed so
    far."""

    plan: Plan
    view: SearchView
    ports: Ports
    degraded: set[str] = field(default_factory=set)

    async def run(
        self, embedding: Embedding, *, linger_s: float, end: float, join_end: float
    ) -> tuple[CandidateTable, Evidence]:
        """Return the rows to rank and their evidence. Raises ``Upstream`` only if neither search finished.

        ``linger_s``: how long vectors may wait to be loaded. The searches end by ``end``, their evidence is joined by
        ``join_end``.
        """
        try:
            async with asyncio.TaskGroup() as group:
                # Run the slowest part inline: a finished task is noticed only two loop iterations later.
                matching = group.create_task(self._lexical(end))
                dense = await self._dense(embedding, linger_s, end)
        except ExceptionGroup as several:
            raise several.exceptions[0] from None
        lexical, table = matching.result(), None
        if lexical is None and dense is None:
            raise Upstream("neither full text nor vectors answered in time", remedy="ask again in a moment")
        if dense is not None:
            table = await self._attempt(VECTORS, self.view.candidates(lexical, dense, around=NEIGHBOURS), join_end)
        if table is None:
            table = await self.view.candidates(lexical, None, around=NEIGHBOURS)
        return table, self._evidence(table, lexical)

    async def _lexical(self, end: float) -> LexicalMatches | None:
        if LEXICON in self.ports.derived.rebuilding:
            self.degraded.add(LEXICON)
            return None
        return await self._attempt(LEXICON, self.view.lexical(self.plan.terms, self.plan.phrase, self.plan.quoted), end)

    async def _dense(self, embedding: Embedding, linger_s: float, end: float) -> DenseMatches | None:
        if not embedding:
            return None
        # While the query is being embedded.
        models = tuple(embedder.fingerprint for embedder in self.ports.embedders)
        await self._attempt(VECTORS, self.view.load_vectors(models, linger_s=linger_s), end)
        vectors: dict[str, Scores] = {}
        for task in embedding:
            embedded = await task
            self.degraded.update(embedded.degraded)
            if embedded.vector is not None:
                vectors[embedded.model] = embedded.vector
        if not vectors or VECTORS in self.degraded:
            return None
        return await self._attempt(VECTORS, self.view.dense(vectors, limit=DENSE_HITS), end)

    async def _attempt(self, part: str, work: Awaitable[T], end: float) -> T | None:
        """Return the result of an optional part, or None and the part in ``degraded``."""
        try:
            async with asyncio.timeout_at(end):
                return await work
        except Corrupt:
            self.ports.derived.suspects.add(part)  # rebuilt by the store's housekeeping
        except (Busy, Upstream, TimeoutError):
            pass
        self.degraded.add(part)
        return None

    def _evidence(self, table: CandidateTable, lexical: LexicalMatches | None) -> Evidence:
        similarities = tuple(
            Similarity(model.name, known.scores, known.vector_count, model.floor, model.ceiling)
            for model in self.ports.embedders
            if (known := table.cosines.get(model.fingerprint)) and known.vector_count
        )
        worth = np.zeros(0) if lexical is None else idf(lexical.document_frequency, lexical.chunks)
        if lexical is not None and self.plan.former:  # a former spelling without postings must not lower the coverage
            found = zip(lexical.terms, lexical.document_frequency, strict=True)
            worth[[term in self.plan.former and not chunks for term, chunks in found]] = 0.0
        if lexical is not None and (unscored := self.plan.unscored):
            worth[[term in unscored for term in lexical.terms]] = 0.0
        return Evidence(table.term, table.row, table.count, worth, similarities, table.phrase)


async def row_features(rows: CandidateRows, ports: Ports, *, end: float) -> RowFeatures:
    """Return the features of rows, computed once.

    If no thread computes them in time they are computed on the event loop, which takes a moment, once a table.
    """
    if (features := _cached_features(rows)) is not None:
        return features
    try:
        async with asyncio.timeout_at(end), rows.cache.setdefault("lock", asyncio.Lock()):
            if (features := _cached_features(rows)) is None:
                features = await ports.compute.run(prepare, rows, DEFAULT)
    except (Busy, TimeoutError):
        features = _cached_features(rows) or prepare(rows, DEFAULT)
    rows.cache["features"] = features
    return features


def _cached_features(rows: CandidateRows) -> RowFeatures | None:
    return rows.cache.get("features")
