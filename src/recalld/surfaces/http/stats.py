"""/stats and /debug/vector: figures about what a caller has, and what calls to providers cost."""

from __future__ import annotations

from typing import Any

import orjson

from recalld.domain.errors import Invalid
from recalld.rules.openviking_json import iso
from recalld.surfaces.http import serializers
from recalld.surfaces.http.endpoint import Endpoint
from recalld.surfaces.http.models.monitor import (
    MemoriesQuery,
    MemoriesResult,
    ScrollQuery,
    ScrollResult,
    SessionFigures,
    UsageQuery,
    UsageResult,
)
from recalld.surfaces.http.models.resource import CountQuery, CountResult
from recalld.surfaces.http.request import ApiRequest
from recalld.usecases.find.pagination import ChunkEntry

_STATS = "/api/v1/stats"
_DEBUG = "/api/v1/debug/vector"
_FILTER_CHARS_MAX = 10_000


async def memories(request: ApiRequest, query: MemoriesQuery) -> dict[str, Any]:
    """Count the caller's own memories. Age is that of the last change, since reads are not recorded."""
    found = await request.workspace.stats.memories(query.category or "")
    return {
        "total_memories": found.total,
        "by_category": found.by_category,
        "hotness_distribution": {"cold": found.cold, "warm": found.warm, "hot": found.hot},
        "staleness": {
            "not_accessed_7d": found.unchanged_7d,
            "not_accessed_30d": found.unchanged_30d,
            "oldest_memory_age_days": found.oldest_days,
        },
    }


async def session(request: ApiRequest, session_id: str) -> dict[str, Any]:
    """Return figures of a session. Every message counts as a turn."""
    found = await request.workspace.sessions.get(session_id)
    return {
        "session_id": found.id,
        "total_turns": found.total_message_count,
        "memories_extracted": sum(found.memories_extracted.values()),
        "contexts_used": found.contexts_used,
        "skills_used": found.skills_used,
    }


async def scroll(request: ApiRequest, query: ScrollQuery) -> dict[str, Any]:
    """Return chunks of the index in the order of their creation, without their vectors."""
    pieces, cursor = await request.workspace.stats.scroll(query.uri, cursor=query.cursor or "", limit=query.limit)
    return {"records": [_record(piece, request.caller.account) for piece in pieces], "next_cursor": cursor or None}


async def count(request: ApiRequest, query: CountQuery) -> dict[str, Any]:
    """Count the searchable chunks (below ``uri``, matching ``filter``); without either, also those that have a vector."""
    wanted, stats = _filter(query.filter), request.workspace.stats
    if wanted is None:
        vectors = None if query.uri else await stats.vectors()
        return {
            "count": await request.workspace.count(query.uri),
            **({"vectors": serializers.vectors(vectors)} if vectors else {}),
        }
    counted, ignored = await stats.count(query.uri, wanted)
    request.ignored(ignored)
    return {"count": counted}


def _record(piece: ChunkEntry, account: str) -> dict[str, Any]:
    parts = piece.uri.parts
    return {
        "id": str(piece.id),
        "uri": str(piece.uri),
        "context_type": str(piece.type),
        "level": piece.level,
        "name": piece.uri.name,
        "abstract": piece.abstract,
        "tags": list(piece.tags),
        "updated_at": iso(piece.at),
        "account_id": account,
        "owner_user_id": parts[1] if parts[:1] == ("user",) and len(parts) > 1 else "",
    }


def _filter(text: str | None) -> dict[str, Any] | None:
    if not text:
        return None
    try:
        parsed = orjson.loads(text) if len(text) <= _FILTER_CHARS_MAX else None
    except orjson.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, dict):
        raise Invalid(
            "filter is no JSON object of up to 10,000 characters",
            remedy='write it as {"op":"must","field":"level","conds":[2]}',
            code="INVALID_FILTER",
            details={"field": "filter"},
        )
    return parsed


async def usage(request: ApiRequest, query: UsageQuery) -> dict[str, Any]:
    """Return calls and tokens by day, provider and purpose, of the caller's account or, for root, of every account."""
    found = await request.workspace.stats.usage(query.days)
    rows, day = found.rows, found.budget
    return {
        "days": query.days,
        "rows": [
            {
                "day": r.day,
                "account_id": r.account,
                "provider": r.provider,
                "operation": r.operation,
                "calls": r.calls,
                "tokens_in": r.tokens_in,
                "tokens_out": r.tokens_out,
                "refused": r.refused,
            }
            for r in rows
        ],
        "total": {
            "calls": sum(r.calls for r in rows),
            "tokens_in": sum(r.tokens_in for r in rows),
            "tokens_out": sum(r.tokens_out for r in rows),
            "refused": sum(r.refused for r in rows),
        },
        "model": {
            "provider": day.provider,
            "state": day.state,
            "tokens_today": day.tokens_today,
            "calls_today": day.calls_today,
            "tokens_per_day_max": day.costs.tokens_per_day_max,
            "calls_per_day_max": day.costs.calls_per_day_max,
            "tokens_per_import_max": day.costs.tokens_per_import_max,
            "calls_per_import_max": day.costs.calls_per_import_max,
        },
        "providers": [
            {
                "provider": one.provider,
                "state": one.state,
                "tokens_today": one.tokens_today,
                "calls_today": one.calls_today,
                "tokens_per_day_max": one.policy.tokens_max,
                "calls_per_day_max": one.policy.calls_max,
            }
            for one in found.days
        ],
    }


ENDPOINTS = (
    Endpoint("GET", f"{_STATS}/memories", memories, MemoriesResult, "Count memories"),
    Endpoint(
        "GET", f"{_STATS}/sessions/{{session_id}}", session, SessionFigures, "Show figures of a session", peer=False
    ),
    Endpoint("GET", f"{_DEBUG}/scroll", scroll, ScrollResult, "List chunks of the index"),
    Endpoint("GET", f"{_DEBUG}/count", count, CountResult, "Count searchable chunks"),
    Endpoint("GET", "/api/v1/stats/usage", usage, UsageResult, "Show provider usage", peer=False),
)
