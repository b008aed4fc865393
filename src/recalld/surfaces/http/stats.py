"""/stats, /debug/vector and /observer: figures about what a caller has and uses, and each part of the server as last measured."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from recalld.domain.errors import Invalid
from recalld.infra.thread_pool import pools
from recalld.rules.openviking_json import iso
from recalld.surfaces.http import serializers
from recalld.surfaces.http.endpoint import Endpoint
from recalld.surfaces.http.models.resource import (
    CountQuery,
    CountResult,
    MemoriesQuery,
    MemoriesResult,
    Observed,
    ScrollQuery,
    ScrollResult,
    SessionFigures,
    SystemObserved,
    UsageQuery,
    UsageResult,
)
from recalld.surfaces.http.request import ApiRequest
from recalld.usecases.find.pagination import ChunkEntry

if TYPE_CHECKING:
    from recalld.app.housekeeping import HealthSnapshot

_OBSERVER = "/api/v1/observer"
_SEARCHES = "/api/v1/search/"
_WELL = frozenset({"ok", "not_configured"})
_MIB = 1024 * 1024
Rows = list[tuple[object, ...]]


async def queue(request: ApiRequest) -> dict[str, Any]:
    """Background jobs of all users: pending, oldest, failed."""
    found = request.engine.health_snapshot()
    rows: Rows = [(q.kind, q.pending, q.running, q.done, q.dead, f"{q.oldest_s:.0f} s") for q in found.queues]
    table = _table(("Queue", "Pending", "Running", "Done", "Failed", "Oldest"), rows)
    return _observed("queue", _well(found, "queue", "worker"), table, errors=any(q.dead for q in found.queues))


async def vikingdb(request: ApiRequest) -> dict[str, Any]:
    """The index: chunks and vectors."""
    found = request.engine.health_snapshot()
    usage = found.usage
    rows: Rows = (
        [] if usage is None else [("chunks", usage.chunks), ("vectors", usage.vectors), ("messages", usage.messages)]
    )
    return _observed("vikingdb", _well(found, "store"), _table(("Index", "Count"), rows))


async def models(request: ApiRequest) -> dict[str, Any]:
    """The models in use."""
    found = request.engine.health_snapshot()
    rows: Rows = [(m.role, m.name, m.state) for m in found.models]
    return _observed("models", all(m.state in _WELL for m in found.models), _table(("Model", "Name", "State"), rows))


async def lock(request: ApiRequest) -> dict[str, Any]:
    """The writer and the thread pools. There are no locks on paths."""
    found = request.engine.health_snapshot()
    rows: Rows = [(p.name, p.running, p.running_max, p.waiting, p.waiting_max) for p in pools()]
    full = any(p.waiting >= p.waiting_max > 1 for p in pools())
    table = _table(("Pool", "Running", "at most", "Waiting", "at most"), rows)
    note = f"one writer, no locks on paths; its last write and read took {found.probe_s * 1000:.1f} ms\n"
    return _observed("lock", _well(found, "store") and not full, note + table)


async def retrieval(request: ApiRequest) -> dict[str, Any]:
    """Searches since the start."""
    found = request.engine.health_snapshot()
    rows: Rows = [
        (route.removeprefix(_SEARCHES), one.requests, one.failed, f"{one.took.seconds / one.requests * 1000:.1f} ms")
        for (_, route), one in request.app_state.counters.routes().items()
        if route.startswith(_SEARCHES)
    ]
    table = _table(("Search", "Requests", "Failed", "Mean"), rows)
    return _observed("retrieval", _well(found, "store", "embedding", "loop"), table)


async def filesystem(request: ApiRequest) -> dict[str, Any]:
    """The store on disk."""
    found = request.engine.health_snapshot()
    usage = found.usage
    rows: Rows = []
    if usage is not None:
        rows = [("entries", usage.nodes), ("sessions", usage.sessions), ("log entries", usage.log_seq)]
        if usage.files is not None:
            rows.append(("ledger MiB", f"{usage.files.file_bytes / _MIB:.1f}"))
            rows.append(("write-ahead log MiB", f"{usage.files.wal_bytes / _MIB:.1f}"))
        rows.append(("blobs MiB", f"{usage.blob_bytes / _MIB:.1f}"))
    return _observed("filesystem", _well(found, "store"), _table(("Store", "Size"), rows))


_PARTS: dict[str, Callable[[ApiRequest], Awaitable[dict[str, Any]]]] = {
    "queue": queue,
    "vikingdb": vikingdb,
    "models": models,
    "lock": lock,
    "retrieval": retrieval,
    "filesystem": filesystem,
}


async def system(request: ApiRequest) -> dict[str, Any]:
    """All parts, and every reason for a degraded state."""
    found = request.engine.health_snapshot()
    parts = {name: await part(request) for name, part in _PARTS.items()}
    dead = sum(q.dead for q in found.queues)
    errors = [*found.readiness.reasons, *([f"queue: {dead} jobs failed for good"] if dead else [])]
    # "healthy" is what the LangChain tools look for.
    well = found.readiness.state == "ready"
    return {"healthy": well, "is_healthy": well, "errors": errors, "components": parts}


def _well(found: HealthSnapshot, *checks: str) -> bool:
    return all(found.readiness.checks.get(check, "ok") in _WELL for check in checks)


def _observed(name: str, well: bool, status: str, *, errors: bool | None = None) -> dict[str, Any]:
    """A part. It has an error exactly while it is unhealthy, unless ``errors`` says otherwise."""
    return {"name": name, "is_healthy": well, "has_errors": not well if errors is None else errors, "status": status}


def _table(heads: Sequence[str], rows: Rows) -> str:
    """Columns under their heads; one sentence if there is nothing to show."""
    if not rows:
        return "nothing yet"
    cells = [[str(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(heads))]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


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
        vectors = () if query.uri else await stats.vectors()
        return {"count": await request.workspace.count(query.uri), **serializers.vectors(vectors)}
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
    Endpoint("GET", f"{_OBSERVER}/queue", queue, Observed, "Background work"),
    Endpoint("GET", f"{_OBSERVER}/vikingdb", vikingdb, Observed, "The index"),
    Endpoint("GET", f"{_OBSERVER}/models", models, Observed, "The models"),
    Endpoint("GET", f"{_OBSERVER}/lock", lock, Observed, "The writer and the pools"),
    Endpoint("GET", f"{_OBSERVER}/retrieval", retrieval, Observed, "Searches"),
    Endpoint("GET", f"{_OBSERVER}/filesystem", filesystem, Observed, "The store on disk"),
    Endpoint("GET", f"{_OBSERVER}/system", system, SystemObserved, "All parts"),
    Endpoint("GET", f"{_STATS}/memories", memories, MemoriesResult, "Count memories"),
    Endpoint(
        "GET", f"{_STATS}/sessions/{{session_id}}", session, SessionFigures, "Show figures of a session", peer=False
    ),
    Endpoint("GET", f"{_DEBUG}/scroll", scroll, ScrollResult, "List chunks of the index"),
    Endpoint("GET", f"{_DEBUG}/count", count, CountResult, "Count searchable chunks"),
    Endpoint("GET", "/api/v1/stats/usage", usage, UsageResult, "Show provider usage", peer=False),
)
