"""Deletes what removals and moves left behind."""

from __future__ import annotations

from recalld.domain.caller import Caller

from . import move_copy, trash
from .access import Access
from .transaction import WriteTx


class SqliteCleanup:
    """What is to do is looked up by a reader: the writer looks at that alone."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def purge(self, *, nodes_max: int) -> int:
        return await trash.purge(self._access.freeing(), nodes_max)

    async def repartition(self, *, account: str, node_id: int, chunks_max: int) -> int:
        at, caller = self._access.clock.now(), Caller(account, "")
        nodes = await self._access.read(lambda c: move_copy.to_repartition(c, account, node_id, chunks_max))
        if not nodes:
            return 0
        return await self._access.write(
            lambda c: move_copy.repartition(WriteTx(c, caller, at, "reown"), nodes, chunks_max), bulk=True
        )
