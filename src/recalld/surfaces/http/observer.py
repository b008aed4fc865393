"""/observer: each part of the server as last measured, with a table for people. Nothing here reads the store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from recalld.infra.thread_pool import pools
from recalld.surfaces.http.endpoint import Endpoint
from recalld.surfaces.http.models.monitor import Observed, SystemObserved
from recalld.surfaces.http.request import ApiRequest

if TYPE_CHECKING:
    from recalld.app.health_snapshot import HealthSnapshot

_AT = "/api/v1/observer"
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


ENDPOINTS = (
    Endpoint("GET", f"{_AT}/queue", queue, Observed, "Background work"),
    Endpoint("GET", f"{_AT}/vikingdb", vikingdb, Observed, "The index"),
    Endpoint("GET", f"{_AT}/models", models, Observed, "The models"),
    Endpoint("GET", f"{_AT}/lock", lock, Observed, "The writer and the pools"),
    Endpoint("GET", f"{_AT}/retrieval", retrieval, Observed, "Searches"),
    Endpoint("GET", f"{_AT}/filesystem", filesystem, Observed, "The store on disk"),
    Endpoint("GET", f"{_AT}/system", system, SystemObserved, "All parts"),
)
