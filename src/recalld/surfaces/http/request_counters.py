"""Counters of requests by route and status, with a histogram of durations."""

from __future__ import annotations

from dataclasses import dataclass, field

from recalld.domain.histogram import Histogram

GONE = 0
"""The status of a request whose client disconnected before a response began."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(slots=True)
class RouteCounters:
    """The requests of one route since the start."""

    statuses: dict[int, int] = field(default_factory=dict)
    took: Histogram = field(default_factory=Histogram)

    @property
    def requests(self) -> int:
        """How many there were."""
        return self.took.count

    @property
    def failed(self) -> int:
        """How many ended with a server error (501 excepted)."""
        return sum(count for status, count in self.statuses.items() if status >= 500 and status != 501)


class RequestCounters:
    """Counts on the event loop. There is one entry per route and method, whatever clients send."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str], RouteCounters] = {}

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """One finished request; ``route`` is its pattern, "" for a path that is none."""
        key = (method if method in _METHODS else "other", route)
        route_counters = self._routes.get(key)
        if route_counters is None:
            route_counters = self._routes[key] = RouteCounters()
        route_counters.statuses[status] = route_counters.statuses.get(status, 0) + 1
        route_counters.took.add(seconds)

    def routes(self) -> dict[tuple[str, str], RouteCounters]:
        """By method and route, in the order of their first request."""
        return dict(self._routes)
