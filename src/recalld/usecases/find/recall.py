"""Concurrent dense and lexical search under one deadline. Late parts are skipped.

``end`` is a time of the event loop's clock. Optional parts end by then; required ones end with the search itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import numpy as np

from recalld.domain.errors import Busy, Corrupt, Invalid, Upstream
from recalld.ports.bundle import Ports
from recalld.ports.derived import LEXICON, VECTORS
from recalld.ports.index import (
    FULL_SCORING_ROWS_MAX,
    ChunkTable,
    Cosines,
    DenseMatches,
    Ids,
    LexicalMatches,
    Scores,
    SearchScope,
    VectorIndex,
)
from recalld.rules.rank import Evidence, idf
from recalld.rules.rank_features import RankRows, RowFeatures, prepare
from recalld.rules.ranking_params import DEFAULT

from .plan import Plan

CANDIDATES_MAX = 1_000
DENSE_HITS = 100
NEIGHBOURS = 4


@dataclass(slots=True)
class SearchResults:
    """Results of the searches (None: late, failed or not configured) and the degraded parts.

    ``table``: all rows of a scope that is scored in full, ``cosines``: theirs; ``dense``: the best of a larger scope;
    ``index``: the vectors searched; ``former``: terms that only older chunks can contain.
    """

    table: ChunkTable | None = None
    lexical: LexicalMatches | None = None
    dense: DenseMatches | None = None
    index: VectorIndex | None = None
    cosines: Cosines | None = None
    vector: Scores | None = None
    degraded: tuple[str, ...] = ()
    former: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class QueryEmbedding:
    """A query's vector, None if there is none, and the degraded parts."""

    vector: Scores | None = None
    degraded: tuple[str, ...] = ()


@asynccontextmanager
async def embedding_query(plan: Plan, ports: Ports, *, end: float) -> AsyncIterator[asyncio.Task[QueryEmbedding]]:
    """Embed the query while the block resolves the scope; cancelled when the block ends."""
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(_embed(plan, ports, end))
            try:
                yield task
            finally:
                task.cancel()
    except ExceptionGroup as several:
        raise several.exceptions[0] from None


async def recall(
    plan: Plan, scope: SearchScope, embedding_task: asyncio.Task[QueryEmbedding], ports: Ports, *, end: float
) -> SearchResults:
    """Search the lexicon and the vectors. Raises ``Upstream`` only if neither finished."""
    results = SearchResults(await ports.catalog.table(scope) if scope.size <= FULL_SCORING_ROWS_MAX else None)
    try:
        async with asyncio.TaskGroup() as group:
            # Run the slowest part inline: a finished task is noticed only two loop iterations later.
            group.create_task(_lexical(plan, scope, ports, results, end))
            if results.table is not None:
                group.create_task(prepare_rows(results.table, ports, end=end))
            await _dense(plan, scope, embedding_task, ports, results, end)
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    if results.lexical is None and results.vector is None:
        raise Upstream("neither full text nor vectors answered in time", remedy="ask again in a moment")
    return results


async def _lexical(plan: Plan, scope: SearchScope, ports: Ports, results: SearchResults, end: float) -> None:
    if LEXICON in ports.derived.rebuilding:
        results.degraded += (LEXICON,)
        return
    try:
        async with asyncio.timeout_at(end):
            results.lexical = await ports.lexicon.match(scope, plan.terms, plan.phrase)
            results.former = plan.former
    except Corrupt:
        ports.derived.suspects.add(LEXICON)  # rebuilt by the store's housekeeping
        results.degraded += (LEXICON,)
    except (Busy, Upstream, TimeoutError):
        results.degraded += (LEXICON,)


async def _embed(plan: Plan, ports: Ports, end: float) -> QueryEmbedding:
    embedder = ports.embedder
    if embedder is None or not plan.text.strip():
        return QueryEmbedding()
    since = ports.clock.monotonic()
    try:
        async with asyncio.timeout_at(min(asyncio.get_running_loop().time() + ports.deadlines.embed_s, end)):
            vector = (await embedder.embed([plan.text], query=True))[0]
    except (Busy, Upstream, Invalid, TimeoutError):
        # Invalid: an extra is not installed. The search continues without vectors and says so.
        return QueryEmbedding(degraded=("embedder",))
    finally:
        ports.stages.took("embed", ports.clock.monotonic() - since)
    return QueryEmbedding(vector if vector.any() else None)


async def _dense(
    plan: Plan,
    scope: SearchScope,
    embedding_task: asyncio.Task[QueryEmbedding],
    ports: Ports,
    results: SearchResults,
    end: float,
) -> None:
    if ports.embedder is None:
        return
    missing: tuple[str, ...] = ()
    try:
        async with asyncio.timeout_at(end):  # while the query is being embedded
            model, linger_s = ports.embedder.fingerprint, ports.linger_s(plan.text)
            results.index = await ports.vectors.refresh(scope.partition_ids, model, linger_s=linger_s)
    except Corrupt:
        ports.derived.suspects.add(VECTORS)
        missing = (VECTORS,)
    except (Busy, Upstream, TimeoutError):
        missing = (VECTORS,)
    embedding = await embedding_task
    results.degraded += embedding.degraded
    if embedding.vector is not None and results.index is not None:
        try:
            async with asyncio.timeout_at(end):
                await _compare(embedding.vector, scope, results.index, results)
        except (Busy, Upstream, TimeoutError):
            missing = (VECTORS,)
    results.degraded += missing


async def _compare(vector: Scores, scope: SearchScope, index: VectorIndex, results: SearchResults) -> None:
    if results.table is not None:
        results.cosines = await index.cosines(vector, results.table.ids)
    else:
        results.dense = await index.search(scope, vector, hits_max=DENSE_HITS)
    results.vector = vector


async def rows_of(
    scope: SearchScope, results: SearchResults, ports: Ports, *, end: float
) -> tuple[ChunkTable, Evidence]:
    """Return the rows to rank and their evidence: all rows of a small scope, candidates and their neighbours of a large
    one."""
    table, cosines = results.table, results.cosines
    if table is None:
        table = await ports.catalog.table(scope, _candidates(results), around=NEIGHBOURS)
        try:
            async with asyncio.timeout_at(end):
                cosines = await _cosines(table.ids, results)
        except (Busy, Upstream, TimeoutError):
            results.degraded += ("vectors",)
    evidence = _evidence(table.ids, results.lexical, cosines, results.former)
    model = ports.embedder
    return table, evidence if model is None else replace(evidence, floor=model.floor, ceiling=model.ceiling)


async def prepare_rows(table: ChunkTable, ports: Ports, *, end: float) -> tuple[RankRows, Ids, RowFeatures]:
    """Return a table's rows for ranking, the entry of each, and their features; computed once a table.

    If no thread computes them in time they are computed on the event loop, which takes a moment, once a table.
    """
    cached: tuple[RankRows, Ids, RowFeatures] | None = table.cache.get("rank")
    if cached is not None:
        return cached
    try:
        async with asyncio.timeout_at(end), table.cache.setdefault("lock", asyncio.Lock()):
            cached = table.cache.get("rank")
            if cached is None:
                cached = await ports.compute.run(_prepare, table)
    except (Busy, TimeoutError):
        cached = table.cache.get("rank") or _prepare(table)
    table.cache["rank"] = cached
    return cached


def _prepare(table: ChunkTable) -> tuple[RankRows, Ids, RowFeatures]:
    rows = RankRows(
        table.node, table.group, table.previous, table.next, table.length, table.speaker, table.asks, table.speakers
    )
    # A directory's tiers are separate entries; of any other node the best chunk represents the whole.
    entry = table.node * 4 + (table.kind == 2) * (table.level + 1)
    return rows, entry, prepare(rows, DEFAULT)


def _candidates(results: SearchResults) -> Ids:
    parts: list[Ids] = [results.dense.ids] if results.dense is not None else []
    if results.lexical is not None and len(results.lexical.chunk):
        lexical = results.lexical
        ids, member = np.unique(lexical.chunk, return_inverse=True)
        worth = np.bincount(member, idf(lexical.document_frequency, lexical.chunks)[lexical.term])
        if len(ids) > CANDIDATES_MAX:
            ids = np.sort(ids[np.argpartition(-worth, CANDIDATES_MAX)[:CANDIDATES_MAX]])
        parts += [ids, lexical.phrase]
    return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64)


async def _cosines(ids: Ids, results: SearchResults) -> Cosines | None:
    if results.vector is None or results.index is None or not len(ids):
        return None
    return await results.index.cosines(results.vector, ids)


def _evidence(
    ids: Ids, lexical: LexicalMatches | None, cosines: Cosines | None, former: frozenset[str] = frozenset()
) -> Evidence:
    none = np.zeros(0, np.int32)
    cosine, known = (
        (cosines.scores, cosines.vector_count) if cosines is not None and cosines.vector_count else (None, 0)
    )
    if lexical is None or not len(ids):
        return Evidence(none, none, np.zeros(0, np.float32), np.zeros(0), cosine, known, none)
    at = np.minimum(np.searchsorted(ids, lexical.chunk), len(ids) - 1)
    there = ids[at] == lexical.chunk
    phrase = np.flatnonzero(np.isin(ids, lexical.phrase)) if len(lexical.phrase) else none
    worth = idf(lexical.document_frequency, lexical.chunks)
    if former:  # a former spelling without postings must not lower the coverage
        worth[
            [
                term in former and not there
                for term, there in zip(lexical.terms, lexical.document_frequency, strict=True)
            ]
        ] = 0.0
    return Evidence(
        term=lexical.term[there],
        row=at[there].astype(np.int32),
        count=lexical.count[there],
        idf=worth,
        cosine=cosine,
        vector_count=known,
        phrase=phrase.astype(np.int32),
    )
