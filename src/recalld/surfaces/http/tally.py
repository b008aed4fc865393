"""Requests counted by route, status and time taken."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
GONE = 0
"""The status of a request whose client went before an answer began."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(slots=True)
class RouteTally:
    """One route's requests since the start. ``buckets``: counts per upper bound of ``BOUNDS_S`` (last: beyond)."""

    statuses: dict[int, int] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    seconds: float = 0.0

    @property
    def requests(self) -> int:
        """How many there were."""
        return sum(self.buckets)

    @property
    def failed(self) -> int:
        """How many of them were our fault."""
        return sum(count for status, count in self.statuses.items() if status >= 500 and status != 501)


class Tally:
    """Counts on the loop. As many entries as there are routes and methods, whatever clients send."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str], RouteTally] = {}

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """One finished request; ``route`` is its pattern, "" for a path that is none."""
        key = (method if method in _METHODS else "other", route)
        found = self._routes.get(key)
        if found is None:
            found = self._routes[key] = RouteTally()
        found.statuses[status] = found.statuses.get(status, 0) + 1
        found.buckets[bisect_left(BOUNDS_S, seconds)] += 1
        found.seconds += seconds

    def routes(self) -> dict[tuple[str, str], RouteTally]:
        """By method and route, in the order they were first asked for."""
        return dict(self._routes)
