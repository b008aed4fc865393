"""Requests counted by route, status and time taken."""

from __future__ import annotations

from dataclasses import dataclass, field

from recalld.domain.histogram import Histogram

GONE = 0
"""The status of a request whose client went before an answer began."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(slots=True)
class RouteTally:
    """One route's requests since the start."""

    statuses: dict[int, int] = field(default_factory=dict)
    took: Histogram = field(default_factory=Histogram)

    @property
    def requests(self) -> int:
        """How many there were."""
        return self.took.count

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
        found.took.add(seconds)

    def routes(self) -> dict[tuple[str, str], RouteTally]:
        """By method and route, in the order they were first asked for."""
        return dict(self._routes)
