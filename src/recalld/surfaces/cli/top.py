"""``recalld top``: what a server is doing, live, from two scrapes of /metrics."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from prometheus_client.parser import text_string_to_metric_families

from recalld.domain.errors import Invalid

from .options import Call, with_client
from .render import vectors_words

ROUTES_SHOWN = 12
app = typer.Typer()


@app.command()
@with_client
def top(
    call: Call,
    every: Annotated[float, typer.Option("--every", "-e", min=0.2, max=60, help="Seconds between two samples.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Print one sample and exit.")] = False,
) -> None:
    """Show a live view of the server: requests, queues, event loop, background work, providers. Ctrl-C ends it.

    Examples: recalld top · recalld top --every 0.5 · recalld top --once --json
    """
    before, sampled_at = _look(call), time.monotonic()
    if once or call.as_json:
        time.sleep(every)  # noqa: TID251 - a program of its own, with no loop
        now = _look(call)
        call.answer(facts(before, now, every), lambda _: _print(before, now, every))
        return
    from rich.live import Live

    with Live(auto_refresh=False, screen=True) as screen:
        while True:
            time.sleep(every)  # noqa: TID251 - as above
            now, at = _look(call), time.monotonic()
            screen.update(view(before, now, at - sampled_at), refresh=True)
            before, sampled_at = now, at


def facts(before: MetricsSnapshot, now: MetricsSnapshot, seconds: float) -> dict[str, Any]:
    """Everything that is shown, as plain values."""
    lag = buckets_of(before, now, "recalld_event_loop_lag_seconds")
    return {
        "version": next((labels["version"] for labels, _ in now.family("recalld_build_info")), ""),
        "ready": bool(now.value("recalld_ready")),
        "failing_checks": sorted(labels["check"] for labels, ok in now.family("recalld_check_ok") if not ok),
        "event_loop_lag_p99_ms": quantile_ms(lag, 0.99),
        "event_loop_stalls": int(now.value("recalld_event_loop_stalls_total")),
        "worker_restarts": int(now.value("recalld_worker_restarts_total")),
        "routes": [
            {"route": t.route, "per_s": t.rate, "failing_per_s": t.failing, "p50_ms": t.p50_ms, "p99_ms": t.p99_ms}
            for t in traffic(before, now, seconds)[:ROUTES_SHOWN]
        ],
        "search_stage_ms": means_ms(before, now, "recalld_search_stage_duration_seconds", "stage"),
        "queued": {
            labels["class"]: int(count) for labels, count in now.family("recalld_http_requests_queued") if count
        },
        "pools_queued": {labels["pool"]: int(n) for labels, n in now.family("recalld_thread_pool_queued_calls") if n},
        "jobs": {f"{labels['kind']} {labels['state']}": int(n) for labels, n in now.family("recalld_jobs") if n},
        "vectors": _vectors(now),
        "providers": {
            labels["provider"]: labels["state"] for labels, _ in now.family("recalld_provider_circuit_state")
        },
    }


def view(before: MetricsSnapshot, now: MetricsSnapshot, seconds: float) -> Any:
    """The same for people."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    figures = facts(before, now, seconds)
    state = "ready" if figures["ready"] else f"degraded: {', '.join(figures['failing_checks']) or 'starting'}"
    head = Text(
        f"recalld {figures['version']}  {state}  event loop lag p99 {figures['event_loop_lag_p99_ms']:.0f} ms, "
        f"{figures['event_loop_stalls']} stalls  "
        f"{figures['worker_restarts']} worker restarts",
        style="green" if figures["ready"] else "bold red",
    )
    table = Table(box=None, expand=True)
    for column, side in (
        ("route", "left"),
        ("/s", "right"),
        ("failing/s", "right"),
        ("p50 ms", "right"),
        ("p99 ms", "right"),
    ):
        table.add_column(column, justify=side)  # type: ignore[arg-type]
    for one in figures["routes"]:
        table.add_row(
            one["route"],
            f"{one['per_s']:.1f}",
            f"{one['failing_per_s']:.1f}",
            f"{one['p50_ms']:g}",
            f"{one['p99_ms']:g}",
        )
    lines = [
        f"{name}: {', '.join(f'{key} {value}' for key, value in figures[key_of].items()) or 'none'}"
        for name, key_of in (
            ("search stages, mean ms", "search_stage_ms"),
            ("queued requests", "queued"),
            ("queued calls", "pools_queued"),
            ("jobs", "jobs"),
            ("providers", "providers"),
        )
    ]
    if figures["vectors"]:
        lines.append(f"vectors: {vectors_words(figures['vectors'])}")
    return Group(head, table, Text("\n".join(lines)))


def _vectors(now: MetricsSnapshot) -> dict[str, Any] | None:
    """Those of the model that lacks most; None from a server without an embedder, or that has not counted yet."""
    counts = {labels.get("model", ""): int(count) for labels, count in now.family("recalld_vectors")}
    if not counts:
        return None
    model = min(reversed(counts), key=counts.__getitem__)
    rejected = now.family("recalld_vectors_rejected")
    refused = {labels["reason"]: int(count) for labels, count in rejected if labels.get("model", "") == model}
    wanted = int(now.value("recalld_vectors_expected"))
    return {"made": counts[model], "wanted": wanted, "refused": refused, "model": model}


def _look(call: Call) -> MetricsSnapshot:
    return parse(call.client.fetch("/metrics").decode())


def _print(before: MetricsSnapshot, now: MetricsSnapshot, seconds: float) -> None:
    from rich.console import Console

    Console().print(view(before, now, seconds))


Labels = tuple[tuple[str, str], ...]
_REQUESTS, _DURATION = "recalld_http_requests_total", "recalld_http_request_duration_seconds"


@dataclass(frozen=True, slots=True)
class MetricsSnapshot:
    """Samples of one scrape by name and labels."""

    samples: Mapping[tuple[str, Labels], float]

    def value(self, name: str, **labels: str) -> float:
        """One sample, 0 if it is not there."""
        return self.samples.get((name, tuple(sorted(labels.items()))), 0.0)

    def family(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """Every sample of this name."""
        return ((dict(labels), value) for (family, labels), value in self.samples.items() if family == name)


@dataclass(frozen=True, slots=True)
class Traffic:
    """One route between two scrapes: requests and server errors per second, and quantiles in ms (0 without requests)."""

    route: str
    rate: float
    failing: float
    p50_ms: float
    p99_ms: float


def parse(text: str) -> MetricsSnapshot:
    """Parse Prometheus' text format. Raises ``Invalid``."""
    try:
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    except ValueError as bad:
        raise Invalid(f"/metrics answered something else: {bad}", remedy="check the address of the server") from bad
    return MetricsSnapshot({(s.name, tuple(sorted(s.labels.items()))): s.value for s in samples})


def traffic(before: MetricsSnapshot, now: MetricsSnapshot, seconds: float) -> list[Traffic]:
    """Routes with requests between the scrapes, the busiest first."""
    found = []
    for labels, total in now.family(f"{_DURATION}_count"):
        count = total - before.value(f"{_DURATION}_count", **labels)
        if count > 0:
            buckets = buckets_of(before, now, _DURATION, **labels)
            errors = sum(
                value - before.value(_REQUESTS, **all_labels)
                for all_labels, value in now.family(_REQUESTS)
                if labels.items() <= all_labels.items() and all_labels["status"].startswith("5")
            )
            found.append(
                Traffic(
                    f"{labels['method']} {labels['route']}",
                    count / seconds,
                    errors / seconds,
                    quantile_ms(buckets, 0.5),
                    quantile_ms(buckets, 0.99),
                )
            )
    return sorted(found, key=lambda route: -route.rate)


def quantile_ms(buckets: list[tuple[float, float]], share: float) -> float:
    """The upper bound in ms of the bucket in which the quantile lies. ``buckets``: cumulative counts by bound in seconds."""
    total = buckets[-1][1] if buckets else 0.0
    if total <= 0:
        return 0.0
    finite = [bound for bound, _ in buckets if bound != float("inf")]
    bound = next(bound for bound, count in buckets if count >= share * total)
    return 1000 * (finite[-1] if bound == float("inf") else bound)


def buckets_of(before: MetricsSnapshot, now: MetricsSnapshot, name: str, **labels: str) -> list[tuple[float, float]]:
    """Cumulative counts of a histogram between the scrapes, by upper bound."""
    return sorted(
        (float(bucket["le"]), value - before.value(f"{name}_bucket", **bucket))
        for bucket, value in now.family(f"{name}_bucket")
        if labels.items() <= bucket.items()
    )


def means_ms(before: MetricsSnapshot, now: MetricsSnapshot, name: str, label: str) -> dict[str, float]:
    """Means of a histogram between the scrapes by the value of a label, to a tenth; values without samples are left out."""
    found = {}
    for labels, total in now.family(f"{name}_count"):
        count = total - before.value(f"{name}_count", **labels)
        if count > 0:
            seconds = now.value(f"{name}_sum", **labels) - before.value(f"{name}_sum", **labels)
            found[labels[label]] = round(1000 * seconds / count, 1)
    return found
