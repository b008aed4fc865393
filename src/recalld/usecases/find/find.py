"""Search: plan, search by words and by vectors concurrently, rank, load. Nothing here writes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from recalld.domain.caller import Caller
from recalld.domain.errors import Busy, Corrupt, Upstream
from recalld.domain.query import Answer, Hit, Query, Stage
from recalld.ports.bundle import Ports
from recalld.ports.index import CandidateRows, SearchView
from recalld.ports.maintenance import CATALOG, STORE
from recalld.rules.calibration import ANSWERABLE_MIN, answer_chance, scores
from recalld.rules.filters import check_heeded
from recalld.rules.kept_places import keep_places
from recalld.rules.query_signals import rows_with, rows_within, with_signals
from recalld.rules.rank import Ranked, best_per_entry, rank
from recalld.rules.ranking_params import CUT, DEFAULT

from .explain import Ranking, explain
from .hits import Best, hits_of
from .plan import information, plan
from .recall import Recall, embedding_query, row_features

RESERVE_S = 0.3
"""Part of the deadline, at most half of it, reserved for ranking and reading the hits."""
EXTRA_HITS = 10
"""Ranked beyond the limit, because duplicates drop out when hits are loaded."""


async def find(query: Query, caller: Caller, ports: Ports, *, deadline_s: float) -> Answer:
    """Return the best entries for ``query`` that ``caller`` may see, in descending score.

    Parts that are late or fail are skipped and named in ``degraded``. Raises ``Invalid`` and ``Denied`` for the query,
    ``Busy`` when readers are saturated, ``Corrupt`` when a table with content is damaged,
    and ``Upstream`` when no search finished within ``deadline_s``.
    """
    if ports.strict_filters:
        check_heeded(query)
    started_at = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout_at(started_at + deadline_s):
            return await _find(query, caller, ports, started_at, deadline_s)
    except Corrupt:
        if ports.derived.lost:
            raise
        ports.derived.suspects.add(STORE)  # made again by the store's housekeeping
        return Answer((), ("catalog",), (), query.ignored)
    except TimeoutError:
        raise Upstream(
            "the index did not answer in time", remedy="ask again in a moment", code="DEADLINE_EXCEEDED"
        ) from None


async def _find(query: Query, caller: Caller, ports: Ports, started_at: float, deadline_s: float) -> Answer:
    # A part that uses all its time still leaves time for the parts after it.
    end, reserve_s = started_at + deadline_s, min(RESERVE_S, deadline_s / 2)
    search_end, rank_end = end - reserve_s, end - reserve_s / 2
    clock, stages = ports.clock, []
    since = clock.monotonic()

    def stage(name: str, note: str) -> None:
        nonlocal since
        now = clock.monotonic()
        ports.stages.took(name, now - since)
        stages.append(Stage(name, (now - since) * 1000, note))
        since = now

    found = await rank_candidates(query, caller, ports, stage, search_end=search_end, rank_end=rank_end)
    if found is None:
        return Answer((), catalog_missing(ports), tuple(stages), query.ignored)
    best = _best(found)
    stage("rank", f"{len(best.rows)} entries above {found.cut:g}")
    hits, unread = await _load(best, query, found.view, found.rows, found.ranked, ports, end - reserve_s / 4)
    stage("load", f"{len(hits)} hits")
    terms = information(found.terms, found.evidence.idf.tolist())
    chance = answer_chance(found.ranked)
    answer = Answer(
        hits, tuple(sorted({*found.degraded, *unread})), tuple(stages), query.ignored, terms,
        answer_chance=chance, answerable=chance >= ANSWERABLE_MIN,
    )  # fmt: skip
    return await explain(answer, found) if query.explain else answer


async def rank_candidates(
    query: Query,
    caller: Caller,
    ports: Ports,
    stage: Callable[[str, str], None],
    *,
    search_end: float,
    rank_end: float,
) -> Ranking | None:
    """Return the ranked candidates, None if nothing is in scope. ``stage``: called with name and note when one ends."""
    planned = plan(query, ports.clock.now())
    linger_s = ports.linger_s(planned.text)
    async with embedding_query(planned.text, ports, end=search_end) as embedding:
        view = await ports.index.open(caller, query, linger_s=linger_s)
        stage("plan", f"{planned.note}, {view.size} chunks in scope")
        if not view.size or query.limit < 1:
            return None
        recall = Recall(planned, view, ports)
        table, evidence = await recall.run(embedding, linger_s=linger_s, end=search_end, join_end=rank_end)
    stage("recall", f"{len(evidence.row)} postings, {sum(one.vector_count for one in evidence.similarities)} vectors")
    features = await row_features(table.rows, ports, end=rank_end)
    ranked = rank(planned.text, table.rows, evidence, DEFAULT, features)
    excluded, in_time = rows_with(planned.excluded, planned.terms, evidence), rows_within(planned.spans, table.rows.at)
    ranked = with_signals(ranked, table.quoted, excluded, in_time)
    cut = CUT if query.score_min is None else query.score_min
    return Ranking(query, planned.terms, view, table.rows, features, evidence, ranked, cut, frozenset(recall.degraded))


def _best(found: Ranking) -> Best:
    """Return the best row of each entry, with reserved places. A place keeps its score whatever entry takes it."""
    query, entry, ranked = found.query, found.rows.entry, found.ranked
    best = best_per_entry(entry, ranked.total, query.limit + query.extra + EXTRA_HITS)
    score = scores(ranked, best)
    best = keep_places(query.text, best, entry, found.rows, found.features, ranked.total, query.limit)
    return Best(best[score > found.cut], score[score > found.cut])


async def _load(
    best: Best, query: Query, view: SearchView, rows: CandidateRows, ranked: Ranked, ports: Ports, end: float
) -> tuple[tuple[Hit, ...], tuple[str, ...]]:
    """Return the query's hits that still exist and are no duplicates, and degraded parts."""
    limit, targeted = query.limit + query.extra, any(target.parts for target in query.targets)
    nodes = rows.node[best.rows].tolist()
    tiers, unread = True, catalog_missing(ports)
    try:
        loaded = await view.hydrate(nodes[:limit])
    except Corrupt:
        tiers, unread = False, ("catalog",)
        loaded = await view.hydrate(nodes[:limit], tiers=False)
    hits = hits_of(best.first(limit), loaded, rows, ranked, targeted=targeted)
    if len(hits) < limit < len(nodes):
        try:
            async with asyncio.timeout_at(end):
                loaded = loaded + await view.hydrate(nodes[limit:], tiers=tiers)
        except (Busy, Upstream, Corrupt, TimeoutError):
            return hits, ("catalog",)
        hits = hits_of(best, loaded, rows, ranked, targeted=targeted)[:limit]
    return hits, unread


def catalog_missing(ports: Ports) -> tuple[str, ...]:
    """The word for ``degraded`` while a part of the catalog is not complete."""
    return ("catalog",) if ports.derived.rebuilding.intersection(CATALOG) else ()
