"""Where recall tells how long its steps take, for those who look after the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from recalld.domain.histogram import Histogram


class Stages(Protocol):
    """Counts in memory, on the loop, since the start."""

    def took(self, stage: str, seconds: float) -> None:
        """One step of one recall: plan, embed, recall, rank, load or rerank."""

    def so_far(self) -> Mapping[str, Histogram]:
        """By step, in the order they first came."""
