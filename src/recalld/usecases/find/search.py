"""Search with reranking of the best hits, within the rest of the deadline."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

from recalld.domain.caller import Caller
from recalld.domain.errors import Busy, Invalid, Upstream
from recalld.domain.query import Answer, Hit, Query
from recalld.ports.bundle import Ports
from recalld.ports.reranker import Reranker
from recalld.rules.ranking_params import CUT
from recalld.rules.score_shares import placed, reranked

from .explain import reordered
from .find import find

RERANKED_MAX = 20
RESERVE_S = 0.1
"""Part of the deadline reserved for the work after reranking, on a loaded server."""


async def search(query: Query, caller: Caller, ports: Ports, *, deadline_s: float) -> Answer:
    """Return the hits of ``find``, with the best 20 reordered and scored by the reranker; those below the cut are dropped.

    Hits after the best 20 follow in fused order, scored no higher than the reranked ones. If the reranker is late or
    fails, the fused order stays and ``degraded`` names it.
    """
    if ports.reranker is None:
        return await find(query, caller, ports, deadline_s=deadline_s)
    end = ports.clock.monotonic() + deadline_s
    # As many hits beyond the reranked ones as may be dropped.
    most = query.limit + query.extra
    wide = replace(query, limit=RERANKED_MAX + (most if most > RERANKED_MAX else 0), extra=0)
    answer = await find(wide, caller, ports, deadline_s=deadline_s)
    since = ports.clock.monotonic()
    left_s = min(ports.deadlines.rerank_s, end - since - RESERVE_S)
    head = answer.hits[:RERANKED_MAX]
    relevances = await _relevances(query.text, head, ports.reranker, left_s)
    ports.stages.took("rerank", ports.clock.monotonic() - since)
    if relevances is None:
        late = replace(answer, degraded=tuple(sorted({*answer.degraded, "reranker"})))
        return reordered(late, answer.hits, most)
    cut = CUT if query.score_min is None else query.score_min
    scored = [
        replace(hit, score=relevance, features=reranked(hit.features, relevance))
        for hit, relevance in zip(head, relevances, strict=True)
        if relevance > cut
    ]
    scored.sort(key=lambda hit: -hit.score)
    least = scored[-1].score if scored else math.inf
    rest = (_at_most(hit, least) for hit in answer.hits[RERANKED_MAX:])
    return reordered(answer, (*scored, *rest), most)


def _at_most(hit: Hit, least: float) -> Hit:
    score = min(hit.score, least)
    return replace(hit, score=score, features=placed(hit.features, score))


async def _relevances(text: str, hits: tuple[Hit, ...], reranker: Reranker, seconds: float) -> list[float] | None:
    if not hits:
        return []
    if seconds <= 0:
        return None
    try:
        async with asyncio.timeout(seconds):
            return await reranker.rerank(text, [f"{hit.uri.name}: {hit.abstract}" for hit in hits])
    except (Busy, Upstream, Invalid, TimeoutError):
        return None
