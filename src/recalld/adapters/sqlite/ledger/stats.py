"""Counts of the whole store."""

from __future__ import annotations

from recalld.domain.job import QueueCount
from recalld.ports.stats import ProviderUsage, Usage

from . import background_queries, job_queue, llm_tier_queries
from .access import Access


class SqliteStats:
    """Reads only."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def usage(self) -> Usage:
        readers = self._access.readers
        return await readers.scan(lambda c: background_queries.usage(c, readers.path))

    async def queues(self) -> list[QueueCount]:
        now = self._access.clock.now()
        return await self._access.readers.scan(lambda c: job_queue.counts(c, now))

    async def provider_usage(self, *, since: str, account: str = "", whole: bool = False) -> list[ProviderUsage]:
        return await self._access.read(lambda c: llm_tier_queries.provider_usage(c, since, account, whole))
