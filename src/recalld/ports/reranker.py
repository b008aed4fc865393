"""The reranker port: scores the best candidates against the query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Reranker(Protocol):
    """Scores texts against a query; at most 20 texts a call."""

    name: str

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return one relevance in 0..1 per text, in order. Raises ``Busy`` and ``Upstream``."""

    async def close(self) -> None:
        """Release connections."""
