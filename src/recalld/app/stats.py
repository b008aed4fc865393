"""Figures: memories, chunks of the index, and the usage of providers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from recalld.domain.caller import Role
from recalld.domain.results import VectorCount
from recalld.rules.filters import check_heeded
from recalld.rules.memory_stats import MemoryStats
from recalld.rules.search_request import parse_query
from recalld.usecases.find.pagination import ChunkEntry, scroll
from recalld.usecases.maintenance.provider_budget import DAY, DAY_S
from recalld.usecases.tree.memory_stats import count_memories

from .operations import Operations
from .usage import ProviderCosts, budget_today, day_of, usage_today

_EVERYTHING = "everything"
"""A query must have words; counting and listing ignore them."""


class StatsOperations(Operations):
    """Figures of a caller."""

    async def memories(self, category: str = "") -> MemoryStats:
        """Count the caller's own memories, of one category or of all.

        Raises ``Invalid`` for an unknown category.
        """
        return await count_memories(self.caller, self._ports, category=category)

    async def scroll(self, uri: str = "", *, cursor: str = "", limit: int = 100) -> tuple[list[ChunkEntry], str]:
        """Return chunks of the index below ``uri``, and the cursor of the next page ("" after the last).

        Raises ``Invalid`` for a bad cursor or limit.
        """
        query = parse_query(_EVERYTHING, self.caller, self._ports.clock.now(), target_uri=uri, level=(0, 1, 2))
        return await scroll(query, cursor, limit, self.caller, self._ports)

    async def count(self, uri: str = "", filter: Mapping[str, Any] | None = None) -> tuple[int, tuple[str, ...]]:
        """Count the chunks below ``uri`` that a filter object of the HTTP API lets through.

        Returns the count and the parts of the filter that were ignored. Raises ``Invalid``.
        """
        query = parse_query(
            _EVERYTHING, self.caller, self._ports.clock.now(), target_uri=uri, level=(0, 1, 2), filter=filter
        )
        if self._ports.strict_filters:
            check_heeded(query)
        size = (await self._ports.index.open(self.caller, query)).size if query.limit else 0
        return size, query.ignored

    async def vectors(self) -> VectorCount | None:
        """Count the chunks of the caller's and the account's trees that have a vector; None without an embedder."""
        return await self._ports.ledger.tenant(self.caller).vectors() if self._ports.embedder is not None else None

    async def usage(self, days: int) -> ProviderCosts:
        """Return what calls to providers cost in the last days, today included.

        It covers the caller's account, for root every account.
        """
        first = datetime.fromtimestamp(self._ports.clock.now() - (days - 1) * DAY_S, UTC)
        account = "" if self.caller.role is Role.ROOT else self.caller.account
        rows = await self._ports.stats.provider_usage(since=first.strftime(DAY), account=account)
        today = await usage_today(self._ports)
        budgets = [day_of(today, provider, policy) for provider, policy in self._ports.days.items()]
        return ProviderCosts(rows, budget_today(today, self._ports), budgets)
