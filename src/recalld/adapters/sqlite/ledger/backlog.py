"""What background jobs still have to do."""

from __future__ import annotations

from recalld.domain.caller import Caller
from recalld.domain.document import Tiers
from recalld.domain.node import Node
from recalld.domain.uri import Uri
from recalld.ports.backlog import ChunkRow, IndexableNode, StaleDir

from . import background_queries, index_coverage, llm_tier_queries, sessions
from .access import Access
from .indexable import indexable


class SqliteBacklog:
    """Reads only."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def partitions(self) -> list[Caller]:
        return await self._access.read(background_queries.partitions)

    async def stale_dirs(self, caller: Caller, *, limit: int, entries_max: int) -> list[StaleDir]:
        return await self._access.read(lambda c: background_queries.stale_dirs(c, caller, limit, entries_max))

    async def unwritten(self, caller: Caller, *, by: str, limit: int) -> list[int]:
        return await self._access.read(lambda c: llm_tier_queries.unwritten(c, caller, by, limit))

    async def tiered(self, caller: Caller, node_id: int, *, entries_max: int) -> StaleDir | None:
        return await self._access.read(lambda c: background_queries.tiered(c, caller, node_id, entries_max))

    async def node_text(self, caller: Caller, node_id: int) -> tuple[Node, bytes] | None:
        found = await self._access.read(lambda c: background_queries.node_with_content(c, caller, node_id))
        return None if found is None else (found[0], await self._access.bytes_of(*found))

    async def cached_tiers(self, key: str) -> Tiers | None:
        return await self._access.read(lambda c: llm_tier_queries.cached_tiers(c, key))

    async def unembedded(self, caller: Caller, *, fingerprint: str, limit: int) -> list[ChunkRow]:
        access = self._access
        return await index_coverage.unembedded(access.read, access.blobs.get, caller, fingerprint, limit)

    async def unindexed(self, caller: Caller, uri: Uri, *, after: int, limit: int) -> list[Node]:
        return await self._access.read(lambda c: background_queries.unindexed(c, caller, uri, after, limit))

    async def indexable(self, *, after: int, limit: int) -> tuple[list[IndexableNode], int]:
        return await self._access.readers.scan(lambda c: indexable(c, after, limit))

    async def idle_sessions(self, *, now: float, limit: int) -> list[tuple[Caller, str]]:
        return await self._access.readers.scan(lambda c: sessions.idle_sessions(c, now, limit))
