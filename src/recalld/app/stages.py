"""Durations of search stages since the start."""

from __future__ import annotations

from recalld.domain.histogram import Histogram


class StageTimes:
    """See ``ports.stages.Stages``."""

    def __init__(self) -> None:
        self._seen: dict[str, Histogram] = {}

    def took(self, stage: str, seconds: float) -> None:
        """See ``ports.stages.Stages``."""
        self._seen.setdefault(stage, Histogram()).add(seconds)

    def so_far(self) -> dict[str, Histogram]:
        """See ``ports.stages.Stages``."""
        return self._seen
