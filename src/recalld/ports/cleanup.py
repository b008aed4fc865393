"""Cleanup: deletes what is not needed any more, in short slices."""

from __future__ import annotations

from typing import Protocol


class Cleanup(Protocol):
    """Writes to what all callers have."""

    async def purge(self, *, nodes_max: int) -> int:
        """Delete what was derived from up to ``nodes_max`` removed nodes, then the nodes of what is to be erased; returns how
        many it looked at (0 = clean). What was removed can be restored until ``prune`` has erased it."""

    async def repartition(self, *, account: str, node_id: int, chunks_max: int) -> int:
        """Bring up to ``chunks_max`` chunks of a subtree that moved to another partition over to it; 0 = all are there."""
