"""Context assembly: ask in the light of the session, find by category, choose, read the tiers, pack, remember."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.errors import Busy, Corrupt, Denied, Invalid, NotFound, Upstream
from recalld.domain.report import ContextBlock
from recalld.ports.bundle import Ports
from recalld.ports.ledger import Tenant
from recalld.rules.context import CATEGORIES, MEMORIES, ORIGINS, OTHER, PENALTIES, Found, choose, quotas_of
from recalld.rules.extractive_digest import digest
from recalld.rules.ladder import ceiling, pack
from recalld.rules.memory_footer import strip
from recalld.rules.memory_overview import memory_overview
from recalld.rules.quoted import render

from .gather import SCORE_MIN, SPARE_MAX, Gathered, gather, searches
from .past import Past, past_of, remember
from .wish import Wish, check

FULL_BYTES_MAX = 65_536
__all__ = ["Wish", "assemble"]


async def assemble(wish: Wish, caller: Caller, ports: Ports, *, deadline_s: float) -> ContextBlock:
    """A rendered block of memories, resources and skills that fits ``max_tokens``; messages never enter it.

    Raises ``Invalid`` for a wish that cannot be; ``Busy`` and ``Upstream`` when no search at all answered.
    """
    check(wish)
    begun = ports.clock.monotonic()
    quotas = quotas_of(wish.quotas, wish.purpose)
    tenant = ports.ledger.tenant(caller)
    past = await past_of(wish, tenant, deadline_s=deadline_s / 2)
    cooled = past.log.cooled(wish.dedup_turns) if past.log is not None else frozenset[str]()
    spare = min(len(wish.exclude) + len(cooled), SPARE_MAX)
    planned = searches(wish, quotas, caller, spare)
    left_s = deadline_s - (ports.clock.monotonic() - begun)
    gathered = await gather(wish, past.queries, planned, cooled, caller, ports, deadline_s=left_s)
    chosen = choose(list(gathered.found.values()), quotas, wish.limit)
    pins = dict(wish.detail or {})
    # Other peers' entries were asked for: their texts are read without this peer's blinkers.
    reader = ports.ledger.tenant(replace(caller, peer="")) if wish.all_peers else tenant
    full = [await _with_texts(one, pins, reader, gathered.degraded) for one in chosen]
    entries, figures = pack(full, wish.max_tokens, pins)
    told, rewritten = digest(full, wish.query, wish.rewrite_max_bullets) if wish.rewrite == "on" else ("", "off")
    shown = [] if rewritten == "no_relevant" else entries
    status = await remember(wish, past, shown, tenant)
    stats = _stats(wish, quotas, past, gathered) | figures | {"returned": len(entries), "rewrite": rewritten}
    stats["deduped"] = len({str(uri) for uri in gathered.seen} & cooled)
    stats["dedup"] = {
        "turns": wish.dedup_turns,
        "status": status,
        "cooled": len(cooled),
        "turn": past.log.turn if past.log is not None else 0,
    }
    return ContextBlock(tuple(entries), render(shown), stats, tuple(sorted(gathered.degraded)), told, gathered.ignored)


async def _with_texts(found: Found, pins: Mapping[str, str], tenant: Tenant, degraded: set[str]) -> Found:
    """Read what the richer tiers need; an entry that has gone meanwhile, or cannot be read, keeps its abstract. A memory's
    overview is its own summary."""
    top = ceiling(found, pins)
    if top in {"uri", "abstract"} and not found.is_dir:
        return found
    memory = found.category in {*MEMORIES, OTHER} and not found.is_dir
    try:
        tiers = None if memory else await tenant.tiers(found.uri)
        overview = tiers.overview if tiers is not None else ""
        abstract = found.texts["abstract"] or (tiers.abstract if tiers is not None else "")
        full = ""
        if not found.is_dir and (top == "full" or not overview):
            full = strip((await tenant.read(found.uri))[:FULL_BYTES_MAX].decode("utf-8", "ignore")).strip()
    except (NotFound, Denied, Invalid):
        return found
    except (Busy, Upstream, Corrupt):
        degraded.add("texts")
        return found
    return replace(found, texts={"abstract": abstract, "overview": overview or memory_overview(full), "full": full})


def _stats(wish: Wish, quotas: Mapping[str, int] | None, past: Past, gathered: Gathered) -> dict[str, Any]:
    whose = [one.origin for one in gathered.found.values()]
    stats: dict[str, Any] = {
        "searched": {kind: gathered.searched.get(kind, 0) for kind in (*CATEGORIES, OTHER)},
        "candidates": len(gathered.found),
        "excluded": len(_named(wish, gathered)),
        "origins": {one: whose.count(one) for one in ORIGINS},
        "peer_scope": "all" if wish.all_peers else "actor",
        "quotas": dict(quotas or {}),
        "max_tokens": wish.max_tokens,
        "detail": dict(wish.detail) if wish.detail else "auto",
        "purpose": wish.purpose or None,
        "query_expansion": past.expansion,
        "planned_queries": list(past.queries),
        "score_threshold": SCORE_MIN if wish.score_min is None else wish.score_min,
        "other_peer_penalties": PENALTIES | dict(wish.penalties or {}),
        "rewrite_usage": None,
    }
    if gathered.errors:
        stats["retrieval_errors"] = gathered.errors
    return stats | ({"ignored": list(wish.ignored)} if wish.ignored else {})


def _named(wish: Wish, gathered: Gathered) -> Sequence[object]:
    """What was found and left out because the caller named it."""
    return [uri for uri in gathered.seen if uri in wish.exclude]
