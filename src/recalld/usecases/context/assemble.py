"""Context assembly: expand the query, search by category, choose, read tiers, pack, and log what was recalled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.errors import Busy, Corrupt, Denied, Invalid, NotFound, Upstream
from recalld.domain.results import ContextBlock
from recalld.ports.bundle import Ports
from recalld.ports.ledger import Tree
from recalld.rules.context import (
    ALL_CATEGORIES,
    MEMORIES,
    ORIGINS,
    OTHER,
    PENALTIES,
    Candidate,
    above_floor,
    choose,
    quotas_of,
)
from recalld.rules.extractive_digest import digest
from recalld.rules.hit_selection import BLOCK_FLOOR_MAX, gap_floor
from recalld.rules.memory_footer import strip
from recalld.rules.memory_overview import memory_overview
from recalld.rules.recall_markup import render
from recalld.rules.tier_packing import highest_tier, pack

from .copies import without_copies
from .gather import EXTRA_MAX, SCORE_MIN, ContextRequest, Gathered, check, gather, searches
from .session_history import SessionHistory, read_history, record_recall

FULL_BYTES_MAX = 65_536
TEXTS_TIME_MIN_S = 0.1
__all__ = ["ContextRequest", "assemble"]


async def assemble(request: ContextRequest, caller: Caller, ports: Ports, *, deadline_s: float) -> ContextBlock:
    """Return a rendered block of memories, resources and skills that fits ``max_tokens``. It contains no messages.

    Raises ``Invalid`` for an invalid request; ``Busy`` and ``Upstream`` when every search failed.
    """
    check(request)
    started_at = ports.clock.monotonic()
    quotas = quotas_of(request.quotas, request.purpose)
    tenant = ports.ledger.tenant(caller)
    history = await read_history(request, tenant, deadline_s=deadline_s / 2)
    recent = history.log.cooled(request.dedup_turns) if history.log is not None else frozenset[str]()
    extra = min(len(request.exclude) + len(recent), EXTRA_MAX)
    planned = searches(request, quotas, caller, extra)
    left_s = deadline_s - (ports.clock.monotonic() - started_at)
    gathered = await gather(request, history.queries, planned, recent, caller, ports, deadline_s=left_s)
    # The request includes other peers: read their texts without this peer's restrictions.
    reader = ports.ledger.tenant(replace(caller, peer="")) if request.all_peers else tenant
    left_s = max(deadline_s - (ports.clock.monotonic() - started_at), TEXTS_TIME_MIN_S)
    found = await without_copies(list(gathered.found.values()), reader, ports, gathered.degraded, deadline_s=left_s)
    wanted = choose(found, quotas, request.limit)
    chosen = above_floor(wanted, min(gap_floor([one.score for one in wanted]), BLOCK_FLOOR_MAX))
    pins = dict(request.detail or {})
    full = [await _with_texts(one, pins, reader, gathered.degraded) for one in chosen]
    entries, figures = pack(full, request.max_tokens, pins)
    digest_text, rewritten = (
        digest(full, request.query, request.rewrite_max_bullets) if request.rewrite == "on" else ("", "off")
    )
    shown = [] if rewritten == "no_relevant" else entries
    status = await record_recall(request, history, shown, tenant)
    stats = _stats(request, quotas, history, gathered) | figures | {"returned": len(entries), "rewrite": rewritten}
    stats["deduped"] = len({str(uri) for uri in gathered.seen} & recent)
    stats["dedup"] = {
        "turns": request.dedup_turns,
        "status": status,
        "cooled": len(recent),
        "turn": history.log.turn if history.log is not None else 0,
    }
    return ContextBlock(
        tuple(entries), render(shown), stats, tuple(sorted(gathered.degraded)), digest_text, gathered.ignored
    )


async def _with_texts(found: Candidate, pins: Mapping[str, str], tree: Tree, degraded: set[str]) -> Candidate:
    """Return the candidate with the texts its tiers need. One that was deleted or cannot be read keeps its abstract.

    A memory has no overview tier; its overview is derived from its text.
    """
    top = highest_tier(found, pins)
    if top in {"uri", "abstract"} and not found.is_dir:
        return found
    memory = found.category in {*MEMORIES, OTHER} and not found.is_dir
    try:
        tiers = None if memory else await tree.tiers(found.uri)
        overview = tiers.overview if tiers is not None else ""
        abstract = found.texts["abstract"] or (tiers.abstract if tiers is not None else "")
        full = ""
        if not found.is_dir and (top == "full" or not overview):
            full = strip((await tree.read(found.uri))[:FULL_BYTES_MAX].decode("utf-8", "ignore")).strip()
    except (NotFound, Denied, Invalid):
        return found
    except (Busy, Upstream, Corrupt):
        degraded.add("texts")
        return found
    return replace(found, texts={"abstract": abstract, "overview": overview or memory_overview(full), "full": full})


def _stats(
    request: ContextRequest, quotas: Mapping[str, int] | None, history: SessionHistory, gathered: Gathered
) -> dict[str, Any]:
    origins = [one.origin for one in gathered.found.values()]
    stats: dict[str, Any] = {
        "searched": {kind: gathered.searched.get(kind, 0) for kind in ALL_CATEGORIES},
        "candidates": len(gathered.found),
        "excluded": len([uri for uri in gathered.seen if uri in request.exclude]),
        "origins": {one: origins.count(one) for one in ORIGINS},
        "peer_scope": "all" if request.all_peers else "actor",
        "quotas": dict(quotas or {}),
        "max_tokens": request.max_tokens,
        "detail": dict(request.detail) if request.detail else "auto",
        "purpose": request.purpose or None,
        "query_expansion": history.expansion,
        "planned_queries": list(history.queries),
        "score_threshold": SCORE_MIN if request.score_min is None else request.score_min,
        "other_peer_penalties": PENALTIES | dict(request.penalties or {}),
        "rewrite_usage": None,
    }
    if gathered.errors:
        stats["retrieval_errors"] = gathered.errors
    return stats
