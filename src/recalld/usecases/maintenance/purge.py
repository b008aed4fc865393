"""Deletes nodes left behind by removals and moves, in short slices."""

from __future__ import annotations

from recalld.domain.commit import Commit
from recalld.domain.job import Job, Lane, PurgePayload, RepartitionPayload
from recalld.ports.bundle import Ports

NODES_PER_SLICE = 300
"""Nodes read at once; they are deleted in slices of a few milliseconds."""
CHUNKS_PER_SLICE = 30
SLICES_MAX = 100_000


async def purge(job: Job[PurgePayload], ports: Ports) -> None:
    """Delete tombstoned nodes with their chunks, vectors and tiers."""
    for _ in range(SLICES_MAX):
        if not await ports.cleanup.purge(nodes_max=NODES_PER_SLICE):
            break
    await ports.ledger.tenant(job.caller).commit(Commit(done=job.id), lane=Lane.BULK)


async def repartition(job: Job[RepartitionPayload], ports: Ports) -> None:
    """Move the index rows of a subtree to its new partition."""
    account, node = job.caller.account, job.payload.node
    for _ in range(SLICES_MAX):
        if not await ports.cleanup.repartition(account=account, node_id=node, chunks_max=CHUNKS_PER_SLICE):
            break
    await ports.ledger.tenant(job.caller).commit(Commit(done=job.id), lane=Lane.BULK)
