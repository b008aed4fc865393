"""Statistics of memories and of the index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.results import VectorCount
from recalld.ports.bundle import Ports
from recalld.rules.filters import check_heeded
from recalld.rules.memory_stats import MemoryStats
from recalld.rules.search_request import parse_query
from recalld.usecases.find.pagination import ChunkEntry, scroll
from recalld.usecases.tree.memory_stats import count_memories

_EVERYTHING = "everything"
"""A query needs words; counts and lists ignore them."""


class StatsOperations:
    """Operations bound to a caller, created by ``workspace.facade(StatsOperations)``."""

    def __init__(self, ports: Ports, caller: Caller) -> None:
        self._ports = ports
        self._caller = caller

    async def memories(self, category: str = "") -> MemoryStats:
        """Return statistics of the caller's own memories."""
        return await count_memories(self._caller, self._ports, category=category)

    async def pieces(self, uri: str = "", *, cursor: str = "", limit: int = 100) -> tuple[list[ChunkEntry], str]:
        """Return chunks of the index (below ``uri``) and the cursor of the next page ("" = none)."""
        query = parse_query(_EVERYTHING, self._caller, self._ports.clock.now(), target_uri=uri, level=(0, 1, 2))
        return await scroll(query, cursor, limit, self._caller, self._ports)

    def ignored(self, filter: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the parts of a filter object that ``count`` ignores. Raises ``Invalid``."""
        return parse_query(_EVERYTHING, self._caller, self._ports.clock.now(), filter=filter).ignored

    async def count(self, uri: str = "", filter: Mapping[str, Any] | None = None) -> int:
        """Return the number of findable chunks below ``uri`` that match the API's filter object."""
        query = parse_query(
            _EVERYTHING, self._caller, self._ports.clock.now(), target_uri=uri, level=(0, 1, 2), filter=filter
        )
        if self._ports.strict_filters:
            check_heeded(query)
        return (await self._ports.index.open(self._caller, query)).size if query.limit else 0

    async def vectors(self) -> VectorCount | None:
        """Return how many chunks of the caller's and the account's trees have a vector; None without an embedder."""
        return await self._ports.ledger.tenant(self._caller).vectors() if self._ports.embedder is not None else None
