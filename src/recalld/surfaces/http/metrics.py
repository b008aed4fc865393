"""/metrics: what a Prometheus server collects. Only figures at hand, never a read of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response

from recalld.domain.histogram import BOUNDS_S
from recalld.domain.version import VERSION
from recalld.infra.thread_pool import pools
from recalld.infra.watchdog import BOUNDS_S as LAG_BOUNDS_S
from recalld.surfaces.http.admission import Admission
from recalld.surfaces.http.connections import Connections
from recalld.surfaces.http.endpoint import Deadline, Endpoint
from recalld.surfaces.http.exposition import MEDIA, NONE, Exposition
from recalld.surfaces.http.request import ApiRequest
from recalld.surfaces.http.request_counters import GONE, RequestCounters

if TYPE_CHECKING:
    from recalld.app.health_snapshot import HealthSnapshot

_WELL = frozenset({"ok", "not_configured"})


async def metrics(request: ApiRequest) -> Response:
    """Everything that is counted, in Prometheus' text format; 404 if ``server.metrics`` is false."""
    if not request.app_state.settings.metrics:
        return PlainTextResponse("metrics are off: set server.metrics = true\n", status_code=404)
    out = Exposition()
    out.gauge("recalld_info", "The version that answers.", [({"version": VERSION}, 1)])
    _requests(out, request.app_state.counters)
    _admission(out, request.app_state.admission)
    if request.app_state.connections is not None:
        _connections(out, request.app_state.connections)
    _pools(out)
    if request.app_state.engine is not None:
        found = request.app_state.engine.health_snapshot()
        _health(out, found)
        _stages(out, found)
        _providers(out, found)
        _jobs(out, found)
        _store(out, found)
    return Response(out.text(), media_type=MEDIA)


def _requests(out: Exposition, counters: RequestCounters) -> None:
    routes = [({"method": m, "route": r or "none"}, t) for (m, r), t in counters.routes().items()]
    out.counter(
        "recalld_http_requests_total",
        "Requests by route and status; gone: the client left before an answer began.",
        [
            ({**labels, "status": "gone" if status == GONE else str(status)}, count)
            for labels, one in routes
            for status, count in sorted(one.statuses.items())
        ],
    )
    out.histogram(
        "recalld_http_request_seconds",
        "Time from a request's first byte to the end of its answer.",
        BOUNDS_S,
        [(labels, one.took.buckets, one.took.seconds) for labels, one in routes],
    )


def _admission(out: Exposition, admission: Admission) -> None:
    loads = admission.loads()
    out.gauge(
        "recalld_admission",
        "Requests of a class that run and that are queued.",
        [
            ({"class": name, "state": state}, count)
            for name, load in loads.items()
            for state, count in (("running", load.running), ("waiting", load.waiting))
        ],
    )
    out.counter(
        "recalld_admission_refused_total",
        "Requests rejected because too many were running and queued.",
        [({"class": name}, load.rejected) for name, load in loads.items()],
    )


def _connections(out: Exposition, connections: Connections) -> None:
    out.gauge("recalld_connections", "Open connections.", [({}, len(connections))])
    out.counter(
        "recalld_connections_closed_total",
        "Connections refused, evicted to make room for others, or closed because their client was too slow.",
        [({"why": why}, count) for why, count in connections.counts.items()],
    )


def _pools(out: Exposition) -> None:
    states = pools()
    out.gauge("recalld_pool_running", "Calls a pool runs now.", [({"pool": p.name}, p.running) for p in states])
    out.gauge("recalld_pool_waiting", "Calls that wait for a pool.", [({"pool": p.name}, p.waiting) for p in states])
    out.gauge(
        "recalld_pool_running_max", "Calls a pool runs at once.", [({"pool": p.name}, p.running_max) for p in states]
    )
    out.gauge(
        "recalld_pool_waiting_max",
        "Calls that may wait; one more is refused.",
        [({"pool": p.name}, p.waiting_max) for p in states],
    )


def _health(out: Exposition, found: HealthSnapshot) -> None:
    ready = found.readiness
    out.gauge("recalld_ready", "1: everything is well, 0: degraded.", [(NONE, ready.state == "ready")])
    out.gauge(
        "recalld_check_ok",
        "One check of /ready.",
        [({"check": c}, s in _WELL) for c, s in sorted(ready.checks.items())],
    )
    late = found.loop_lag
    out.histogram(
        "recalld_loop_lateness_seconds",
        "How late the event loop came to its beats, ten a second.",
        LAG_BOUNDS_S,
        [(NONE, late.buckets, late.total_s)],
    )
    out.counter("recalld_loop_stalls_total", "Beats more than 250 ms late.", [(NONE, late.stalls)])
    out.counter(
        "recalld_worker_starts_total", "How often the worker process was started.", [(NONE, found.worker_starts)]
    )


def _stages(out: Exposition, found: HealthSnapshot) -> None:
    out.histogram(
        "recalld_recall_stage_seconds",
        "What the steps of a recall take; embed goes on beside plan and recall.",
        BOUNDS_S,
        [({"stage": name}, took.buckets, took.seconds) for name, took in found.stages.items()],
    )


def _providers(out: Exposition, found: HealthSnapshot) -> None:
    out.counter(
        "recalld_provider_calls_total",
        "Calls to a provider; refused: not made, since it was not to be asked.",
        [
            ({"provider": p.name, "outcome": outcome}, count)
            for p in found.providers
            for outcome, count in (
                ("good", p.calls - p.failures),
                ("failed", p.failures),
                ("retried", p.retries),
                ("refused", p.refused),
            )
        ],
    )
    out.counter(
        "recalld_provider_tokens_total",
        "Tokens of calls to a provider since the store was made, counted once a minute.",
        [
            ({"provider": s.provider, "operation": s.operation, "direction": direction}, count)
            for s in found.provider_usage
            for direction, count in (("in", s.tokens_in), ("out", s.tokens_out))
        ],
    )
    out.counter(
        "recalld_provider_counted_calls_total",
        "Calls by purpose since the store was made, the worker's too; refused: the day's budget was used up.",
        [
            ({"provider": s.provider, "operation": s.operation, "outcome": outcome}, count)
            for s in found.provider_usage
            for outcome, count in (("made", s.calls), ("refused", s.refused))
        ],
    )
    out.gauge(
        "recalld_provider_circuit",
        "1 for how a provider's circuit stands.",
        [({"provider": p.name, "circuit": p.circuit}, 1) for p in found.providers],
    )


def _jobs(out: Exposition, found: HealthSnapshot) -> None:
    queues = found.queues
    out.gauge(
        "recalld_jobs",
        "Jobs by kind and state.",
        [
            ({"kind": q.kind, "state": state}, count)
            for q in queues
            for state, count in (("pending", q.pending), ("running", q.running), ("dead", q.dead))
        ],
    )
    out.counter(
        "recalld_jobs_done_total", "Jobs done since the store was made.", [({"kind": q.kind}, q.done) for q in queues]
    )
    out.gauge(
        "recalld_jobs_oldest_seconds",
        "Age of the oldest job still to be done.",
        [({"kind": q.kind}, q.oldest_s) for q in queues],
    )


def _store(out: Exposition, found: HealthSnapshot) -> None:
    out.gauge("recalld_store_probe_seconds", "What the last real write and read took.", [(NONE, found.probe_s)])
    out.gauge("recalld_store_probe_age_seconds", "Since the last good write and read.", [(NONE, found.measured_ago_s)])
    usage = found.usage
    if usage is None:
        return
    _vectors(out, found)
    counts = {
        "nodes": usage.nodes,
        "chunks": usage.chunks,
        "vectors": usage.vectors,
        "messages": usage.messages,
        "sessions": usage.sessions,
        "log_entries": usage.log_seq,
    }
    out.gauge("recalld_store_entries", "What the store holds.", [({"of": k}, n) for k, n in counts.items()])
    files = {} if usage.files is None else {"ledger": usage.files.file_bytes, "wal": usage.files.wal_bytes}
    sizes = {**files, "blobs": usage.blob_bytes}
    out.gauge("recalld_store_bytes", "What the store takes on disk.", [({"part": k}, n) for k, n in sizes.items()])


def _vectors(out: Exposition, found: HealthSnapshot) -> None:
    seen = found.readiness.vectors
    if seen is None:
        return
    out.gauge("recalld_vectors", "Pieces of the index that have a vector of the wanted model.", [(NONE, seen.made)])
    out.gauge("recalld_vectors_wanted", "Pieces of the index that ought to have one.", [(NONE, seen.wanted)])
    out.gauge(
        "recalld_vectors_refused",
        "Pieces without one, since the embedder refused their text.",
        [({"reason": reason}, count) for reason, count in seen.refused.items()],
    )


ENDPOINTS = (
    Endpoint(
        "GET",
        "/metrics",
        metrics,
        str,
        "Figures for Prometheus",
        Deadline.NONE,
        bare=True,
        open=True,
        media="text/plain",
    ),
)
