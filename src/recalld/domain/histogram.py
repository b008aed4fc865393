"""Durations, counted in buckets."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(slots=True)
class Histogram:
    """``buckets``: counts per upper bound of ``BOUNDS_S`` (last: beyond); ``seconds``: their sum."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    seconds: float = 0.0

    @property
    def count(self) -> int:
        """The number of durations."""
        return sum(self.buckets)

    def add(self, seconds: float) -> None:
        """Add a duration."""
        self.buckets[bisect_left(BOUNDS_S, seconds)] += 1
        self.seconds += seconds
