"""Context assembly: find broadly, choose by quota, read the tiers, pack."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.errors import NotFound
from recalld.domain.hit import Hit
from recalld.domain.query import Query
from recalld.domain.report import ContextBlock
from recalld.domain.uri import Uri
from recalld.flows.find.find import find
from recalld.ports.doors import Doors
from recalld.ports.ledger import Tenant
from recalld.rules.context import CATEGORIES, PENALTIES, PRESETS, Found, category, choose, origin, pack, render
from recalld.rules.trailer import strip
from recalld.rules.widen import widen

CANDIDATES = 60
FULL_BYTES_MAX = 65_536
SCORE_MIN = 0.1


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller asks of a context block; the wire's fields of mode=context. ``detail`` pins tiers by category."""

    query: str
    session_id: str = ""
    query_expansion: bool = True
    max_tokens: int = 1_600
    quotas: dict[str, int] | None = None
    purpose: str = ""
    detail: dict[str, str] | None = None
    limit: int = 10
    score_min: float | None = None
    exclude: tuple[Uri, ...] = ()
    all_peers: bool = True
    penalties: dict[str, float] | None = None
    ignored: tuple[str, ...] = ()


async def assemble(wish: Wish, caller: Caller, doors: Doors, *, deadline_s: float) -> ContextBlock:
    """A rendered block of memories, resources and skills that fits ``max_tokens``; messages never enter it."""
    tenant = doors.ledger.tenant(caller)
    text, expansion = wish.query, "off"
    if wish.session_id and wish.query_expansion:
        text, expansion = await _expanded(wish, tenant)
    score_min = SCORE_MIN if wish.score_min is None else wish.score_min
    seer = replace(caller, peer="") if wish.all_peers else caller
    query = Query(text, limit=CANDIDATES, score_min=score_min, messages=False, exclude_session=wish.session_id)
    answer = await find(query, seer, doors, deadline_s=deadline_s)
    penalties = PENALTIES | (wish.penalties or {})
    kept = [h for h in answer.hits if h.uri not in wish.exclude and h.uri.name != "profile.md"]
    found = [_found(h, caller, penalties) for h in kept]
    quotas = _quotas(wish)
    chosen = choose([f for f in found if f.score > score_min], quotas, wish.limit)
    full = [await _with_texts(f, tenant) for f in chosen]
    entries, figures = pack(full, wish.max_tokens, wish.detail or {})
    stats = _stats(wish, text, expansion, quotas, found, kept, len(answer.hits), score_min, penalties) | figures
    stats["returned"] = len(entries)
    return ContextBlock(tuple(entries), render(entries), stats, answer.degraded)


async def _expanded(wish: Wish, tenant: Tenant) -> tuple[str, str]:
    """The query with the session's latest words; a session that does not exist is not made."""
    try:
        recent = await tenant.messages(wish.session_id, archive=0)
    except NotFound:
        return wish.query, "off"
    return widen(wish.query, recent), "used" if recent else "off"


def _quotas(wish: Wish) -> dict[str, int] | None:
    if wish.quotas is not None:
        return wish.quotas
    return dict(PRESETS[wish.purpose], memories=1) if wish.purpose in PRESETS else None


def _found(hit: Hit, caller: Caller, penalties: dict[str, float]) -> Found:
    kind, whose = category(hit.uri), origin(hit.uri, caller.user, caller.peer)
    score = hit.score - (penalties.get(kind, 0.0) if whose == "other_peer" and caller.peer else 0.0)
    return Found(hit.uri, kind, score, whose, {"abstract": hit.abstract})


async def _with_texts(found: Found, tenant: Tenant) -> Found:
    """Read what the richer tiers need; an entry that has gone meanwhile keeps its abstract."""
    try:
        tiers = await tenant.tiers(found.uri)
        full = (
            strip((await tenant.read(found.uri))[:FULL_BYTES_MAX].decode("utf-8", "ignore"))
            if found.category == "events"
            else ""
        )
    except NotFound:
        return found
    overview = tiers.overview if tiers is not None else ""
    return replace(found, texts=found.texts | {"overview": overview or found.texts["abstract"], "full": full})


def _stats(
    wish: Wish,
    text: str,
    expansion: str,
    quotas: dict[str, int] | None,
    found: list[Found],
    kept: list[Hit],
    hits: int,
    score_min: float,
    penalties: dict[str, float],
) -> dict[str, Any]:
    kinds = [f.category for f in found]
    whose = [f.origin for f in found]
    return {
        "searched": {c: kinds.count(c) for c in (*CATEGORIES, "memories")},
        "candidates": len(found),
        "excluded": hits - len(kept),
        "origins": {o: whose.count(o) for o in ("actor_peer", "self", "other_peer")},
        "peer_scope": "all" if wish.all_peers else "actor",
        "quotas": quotas or {},
        "max_tokens": wish.max_tokens,
        "deduped": 0,
        "detail": wish.detail or "auto",
        "fill": {"floor_tokens": 0, "overview_upgrades": 0, "full_upgrades": 0, "spare_upgrades": 0},
        "purpose": wish.purpose or None,
        "query_expansion": expansion,
        "planned_queries": [wish.query] if text == wish.query else [wish.query, text],
        "score_threshold": score_min,
        "other_peer_penalties": penalties,
        "rewrite": "off",
        "rewrite_usage": None,
        "dedup": {"turns": 0, "status": "off", "cooled": 0, "turn": 0},
        "ignored": list(wish.ignored),
    }
