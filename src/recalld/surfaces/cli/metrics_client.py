"""What a server counts, read from its /metrics, and what happened between two readings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_LINE = re.compile(r"([a-z_]+)(?:\{(.*)\})? ([-+0-9.eInf]+)")
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class MetricsSnapshot:
    """Samples by family and labels, as of one moment."""

    samples: Mapping[tuple[str, Labels], float]

    def value(self, name: str, **labels: str) -> float:
        """One sample, 0 if it is not there."""
        return self.samples.get((name, tuple(sorted(labels.items()))), 0.0)

    def family(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        """Every sample of a family."""
        return ((dict(labels), value) for (family, labels), value in self.samples.items() if family == name)


@dataclass(frozen=True, slots=True)
class Traffic:
    """One route between two readings: requests a second, failures a second, and quantiles in ms (0 if none came)."""

    route: str
    rate: float
    failing: float
    p50_ms: float
    p99_ms: float


def read(text: str) -> MetricsSnapshot:
    """Prometheus' text format; what is not understood is passed over."""
    found: dict[tuple[str, Labels], float] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match:
            labels = tuple(sorted((key, value) for key, value in _LABEL.findall(match[2] or "")))
            found[match[1], labels] = float(match[3])
    return MetricsSnapshot(found)


def traffic(before: MetricsSnapshot, now: MetricsSnapshot, seconds: float) -> list[Traffic]:
    """Routes that were called meanwhile, the busiest first."""
    routes = {(labels["method"], labels["route"]) for labels, _ in now.family("recalld_http_request_seconds_count")}
    traffic = [_traffic(before, now, method, route, seconds) for method, route in routes]
    return sorted((one for one in traffic if one.rate > 0), key=lambda one: -one.rate)


def quantile_ms(buckets: list[tuple[float, float]], share: float) -> float:
    """From cumulative counts by upper bound in seconds: the bound below which ``share`` of them lie, in ms."""
    total = buckets[-1][1] if buckets else 0.0
    if total <= 0:
        return 0.0
    finite = [bound for bound, _ in buckets if bound != float("inf")]
    bound = next(bound for bound, count in buckets if count >= share * total)
    return 1000 * (finite[-1] if bound == float("inf") else bound)


def buckets_of(before: MetricsSnapshot, now: MetricsSnapshot, name: str, **labels: str) -> list[tuple[float, float]]:
    """A histogram's cumulative counts between two readings, by upper bound."""
    found = []
    for labelled, value in now.family(f"{name}_bucket"):
        if all(labelled.get(key) == wanted for key, wanted in labels.items()):
            found.append((float(labelled["le"]), value - before.value(f"{name}_bucket", **labelled)))
    return sorted(found)


def means_ms(before: MetricsSnapshot, now: MetricsSnapshot, name: str, label: str) -> dict[str, float]:
    """A histogram's means between two readings, by a label's value, to a tenth; what did not happen is left out."""
    found = {}
    for labels, count in now.family(f"{name}_count"):
        came = count - before.value(f"{name}_count", **labels)
        if came > 0:
            took_s = now.value(f"{name}_sum", **labels) - before.value(f"{name}_sum", **labels)
            found[labels[label]] = round(1000 * took_s / came, 1)
    return found


def _traffic(before: MetricsSnapshot, now: MetricsSnapshot, method: str, route: str, seconds: float) -> Traffic:
    def grown(name: str, **labels: str) -> float:
        return now.value(name, **labels) - before.value(name, **labels)

    failed = sum(
        grown("recalld_http_requests_total", **labels)
        for labels, _ in now.family("recalld_http_requests_total")
        if (labels["method"], labels["route"]) == (method, route) and labels["status"].startswith("5")
    )
    buckets = buckets_of(before, now, "recalld_http_request_seconds", method=method, route=route)
    return Traffic(
        f"{method} {route}",
        grown("recalld_http_request_seconds_count", method=method, route=route) / seconds,
        failed / seconds,
        quantile_ms(buckets, 0.5),
        quantile_ms(buckets, 0.99),
    )
