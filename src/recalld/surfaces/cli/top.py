"""``recalld top``: what a server is doing, live."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from .metrics_client import MetricsSnapshot, buckets_of, means_ms, parse, quantile_ms, traffic
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
    """None from a server without an embedder, or that has not counted yet."""
    if not list(now.family("recalld_vectors_expected")):
        return None
    refused = {labels["reason"]: int(count) for labels, count in now.family("recalld_vectors_rejected")}
    vectors, wanted = (int(now.value(name)) for name in ("recalld_vectors", "recalld_vectors_expected"))
    return {"made": vectors, "wanted": wanted, "refused": refused}


def _look(call: Call) -> MetricsSnapshot:
    return parse(call.client.fetch("/metrics").decode())


def _print(before: MetricsSnapshot, now: MetricsSnapshot, seconds: float) -> None:
    from rich.console import Console

    Console().print(view(before, now, seconds))
