"""Operations on the index: tags, reindexing, consistency; and figures: memories, chunks, the usage of providers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from recalld.domain.caller import Role
from recalld.domain.errors import Invalid
from recalld.domain.results import Attributes, Consistency, Reindexing, Tagged, VectorCount
from recalld.rules.filters import check_heeded
from recalld.rules.memory_stats import MemoryStats
from recalld.rules.search_request import parse_query
from recalld.usecases.find.pagination import ChunkEntry, scroll
from recalld.usecases.maintenance import reindex
from recalld.usecases.maintenance.provider_budget import DAY, DAY_S
from recalld.usecases.tree import tags as tagging
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

    async def vectors(self) -> tuple[VectorCount, ...]:
        """Count the chunks of the caller's and the account's trees that have a vector, by configured model."""
        return await self._ports.ledger.tenant(self.caller).vectors()

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


MISSING_SHOWN_MAX = 100


class IndexOperations(Operations):
    """The index of what a caller may see."""

    async def attributes(self, uri: str) -> Attributes:
        """Return the tags of an entry, and of a memory also its fields.

        Raises ``NotFound``.
        """
        return await tagging.attributes(self._uri(uri), self.caller, self._ports)

    async def set_tags(
        self, uri: str, tags: Sequence[str], *, mode: str = "replace", recursive: bool = False
    ) -> Tagged:
        """Set ``key=value`` tags of an entry, or with ``recursive`` of everything at and below it.

        ``mode`` is ``replace`` (all tags) or ``append`` (a later value of a key wins). Raises ``NotFound``, and ``Invalid`` for an
        unknown mode or too many entries.
        """
        return await tagging.set_tags(
            self._uri(uri), tags, append=_appends(mode), recursive=recursive, caller=self.caller, ports=self._ports
        )

    async def reindex(
        self,
        uri: str,
        *,
        mode: str = "vectors_only",
        recursive: bool = True,
        tags: Sequence[str] = (),
        tag_mode: str = "replace",
    ) -> Reindexing:
        """Start to rebuild the index of a subtree. The task of the result has the outcome.

        ``mode`` is ``vectors_only``, ``semantic_and_vectors`` or ``prune_orphans``. Raises ``NotFound``, ``Denied``, and
        ``Conflict`` while another reindex of the address runs.
        """
        return await reindex.begin(
            self._uri(uri),
            mode,
            recursive=recursive,
            tags=tags,
            append=_appends(tag_mode),
            caller=self.caller,
            ports=self._ports,
        )

    async def would_prune(self, uri: str) -> dict[str, Any]:
        """Return what a reindex with the mode ``prune_orphans`` would delete.

        Raises ``NotFound``.
        """
        return await reindex.would_prune(self._uri(uri), self.caller, self._ports)

    async def consistency(self, uri: str) -> Consistency:
        """Return whether everything at and below an address is in the index.

        Raises ``NotFound``.
        """
        return await self._ports.ledger.tenant(self.caller).consistency(self._uri(uri), first=MISSING_SHOWN_MAX)


def _appends(mode: str) -> bool:
    if mode not in {"replace", "append"}:
        raise Invalid(f"mode {mode!r} is unknown", remedy="use replace or append", details={"field": "mode"})
    return mode == "append"
