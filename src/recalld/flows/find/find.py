"""Recall: plan, look in parallel, rank, load. Nothing on this route writes."""

from __future__ import annotations

from dataclasses import replace

from recalld.domain.caller import Caller
from recalld.domain.hit import Answer, Hit, Stage
from recalld.domain.query import Query
from recalld.ports.doors import Doors, impatient
from recalld.ports.index import ChunkTable, Ids, Reach
from recalld.rules.rank import Ranked, fold, rank
from recalld.rules.weights import CUT, DEFAULT

from .answer import hits_of
from .plan import plan
from .recall import asking, ready, recall, rows_of

SPARE = 10
"""Kept beyond the limit, for when hits fall out because another one already says the same."""


async def find(query: Query, caller: Caller, doors: Doors, *, deadline_s: float) -> Answer:
    """The best entries for ``query`` that ``caller`` may see, in descending score.

    Late or failing parts are done without and named in ``degraded``. Raises ``Invalid`` and ``Denied`` for the query,
    ``Busy`` when readers are saturated, ``Upstream`` when no search answered within ``deadline_s``.
    """
    doors = await _serving(doors)
    clock, stages = doors.clock, []
    since = clock.monotonic()

    def stage(name: str, note: str) -> None:
        nonlocal since
        now = clock.monotonic()
        doors.stages.took(name, now - since)
        stages.append(Stage(name, (now - since) * 1000, note))
        since = now

    planned = plan(query)
    async with asking(planned, doors, deadline_s=deadline_s) as asked:
        reach = await doors.catalog.reach(caller, query, patience_s=doors.patience(planned.text))
        stage("plan", f"{len(planned.terms)} terms, {reach.size} chunks in reach")
        if not reach.size or query.limit < 1:
            return Answer((), (), tuple(stages))
        found = await recall(planned, reach, asked, doors, deadline_s=deadline_s)
    table, evidence = await rows_of(reach, found, doors)
    stage("recall", f"{len(evidence.row)} postings, {evidence.known} vectors")
    rows, entry, prepared = await ready(table, doors)
    ranked = rank(query.text, rows, evidence, DEFAULT, prepared)
    cut = CUT if query.score_min is None else query.score_min
    best = fold(entry, ranked.total, query.limit + SPARE)
    best = best[ranked.score(best) > cut]
    stage("rank", f"{len(best)} entries above {cut:g}")
    hits = await _load(best, query.limit, reach, table, ranked, doors)
    stage("load", f"{len(hits)} hits")
    return Answer(hits, tuple(sorted(found.degraded)), tuple(stages))


async def _serving(doors: Doors) -> Doors:
    """Vectors of two models are never compared: while a new model's are being made, questions are asked of the old one."""
    if doors.former is None or await doors.vectors.serving() != doors.former.fingerprint:
        return doors
    return replace(doors, embedder=doors.former, patience=impatient)


async def _load(
    best: Ids, limit: int, reach: Reach, table: ChunkTable, ranked: Ranked, doors: Doors
) -> tuple[Hit, ...]:
    """The first ``limit`` entries that are still there and say something of their own."""
    nodes = table.node[best].tolist()
    loaded = await doors.catalog.load(reach, nodes[:limit])
    hits = hits_of(best[:limit], loaded, table, ranked, targeted=reach.targeted)
    if len(hits) < limit < len(best):
        loaded += await doors.catalog.load(reach, nodes[limit:])
        hits = hits_of(best, loaded, table, ranked, targeted=reach.targeted)[:limit]
    return hits
