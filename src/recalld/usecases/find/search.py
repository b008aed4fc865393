"""Find, and a second look at the best hits under what is left of the deadline."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

from recalld.domain.caller import Caller
from recalld.domain.errors import Busy, Invalid, Upstream
from recalld.domain.hit import Answer, Hit
from recalld.domain.query import Query
from recalld.ports.bundle import Ports
from recalld.ports.reranker import Reranker
from recalld.rules.ranking_params import CUT

from .find import find

RERANKED_MAX = 20
RESERVE_S = 0.1
"""Kept of the deadline for what comes after the second look, in a crowd."""


async def search(query: Query, caller: Caller, ports: Ports, *, deadline_s: float) -> Answer:
    """``find``, then the reranker's order and relevances for the best 20; those not above the cut are left out. Further hits
    that ``query.limit`` asks for follow in fused order, scored no higher than what was looked at.

    The fused order stands if there is no reranker, or if it is late or fails: then ``degraded`` names it.
    """
    if ports.reranker is None:
        return await find(query, caller, ports, deadline_s=deadline_s)
    end = ports.clock.monotonic() + deadline_s
    # Beyond what is looked at: as many more as may be left out.
    wide = replace(query, limit=RERANKED_MAX + (query.limit if query.limit > RERANKED_MAX else 0))
    answer = await find(wide, caller, ports, deadline_s=deadline_s)
    since = ports.clock.monotonic()
    left_s = min(ports.deadlines.rerank_s, end - since - RESERVE_S)
    head = answer.hits[:RERANKED_MAX]
    relevances = await _relevances(query.text, head, ports.reranker, left_s)
    ports.stages.took("rerank", ports.clock.monotonic() - since)
    if relevances is None:
        return replace(answer, hits=answer.hits[: query.limit], degraded=tuple(sorted({*answer.degraded, "reranker"})))
    cut = CUT if query.score_min is None else query.score_min
    scored = [replace(hit, score=relevance) for hit, relevance in zip(head, relevances, strict=True) if relevance > cut]
    scored.sort(key=lambda hit: -hit.score)
    least = scored[-1].score if scored else math.inf
    rest = (replace(hit, score=min(hit.score, least)) for hit in answer.hits[RERANKED_MAX:])
    return replace(answer, hits=(*scored, *rest)[: query.limit])


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
