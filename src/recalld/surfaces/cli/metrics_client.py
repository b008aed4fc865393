"""Two scrapes of /metrics, and what happened between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from recalld.domain.errors import Invalid

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
