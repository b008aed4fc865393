"""Compares the index with its sources, node by node, after a loss; only differences are rebuilt."""

from __future__ import annotations

from recalld.domain.commit import Commit, SetChunks, SetTiers
from recalld.domain.errors import Corrupt, Invalid, NotFound
from recalld.domain.job import Job, Lane
from recalld.domain.job_payload import RecheckPayload
from recalld.domain.node import Kind
from recalld.ports.backlog import IndexableNode
from recalld.ports.bundle import Ports
from recalld.ports.ledger import Tenant
from recalld.ports.tree import Tree
from recalld.rules.address import session_of
from recalld.rules.chunks import chunks_of_file, chunks_of_tiers
from recalld.usecases.tree.follow_up import FOLLOW_UP_JOBS
from recalld.usecases.tree.prepare import parse

from .revive import chunks_of
from .tiers import tiers_of

PAGE = 200
ENTRIES_MAX = 200


async def recheck(job: Job[RecheckPayload], ports: Ports) -> None:
    """Check a page and enqueue the next one; a repeated run finds nothing to do."""
    found, after = await ports.backlog.indexable(after=job.payload.after, limit=PAGE)
    for one in found:
        try:
            tenant = ports.ledger.tenant(one.partition)
            op = await (_of_directory(one, tenant, ports) if one.node.is_dir else _of_text(one, tenant, ports))
            if op is not None:
                await tenant.commit(Commit((op,)), lane=Lane.BULK)
        except (NotFound, Invalid, Corrupt):
            continue  # removed meanwhile or unreadable: its readers get the error
    if not after:
        for tree in await ports.backlog.partitions():
            await ports.ledger.tenant(tree).commit(Commit(jobs=FOLLOW_UP_JOBS), lane=Lane.BULK)
    following = (RecheckPayload(after).job(),) if after else ()
    await ports.ledger.tenant(job.caller).commit(Commit(jobs=following, done=job.id), lane=Lane.BULK)


async def _of_text(one: IndexableNode, tenant: Tenant, ports: Ports) -> SetChunks | None:
    node, tiers = one.node, None
    if one.bare and node.kind is Kind.FILE and not session_of(node.uri):
        document = await ports.compute.run(parse, node.uri, await tenant.read(node.uri), ports)
        chunks = await ports.compute.run(chunks_of_file, node.uri, document)
        tiers = await ports.model.tiers_of_document(node.uri.name, document) if chunks else None
    else:
        chunks = await chunks_of(node, tenant, ports)
    return SetChunks(node.id, node.version, chunks, tiers, where_different=True) if chunks else None


async def _of_directory(one: IndexableNode, tree: Tree, ports: Ports) -> SetTiers | None:
    """Return a directory's existing abstract and overview, which a user may have written; new ones only if missing."""
    node = one.node
    if one.bare:
        found = await ports.backlog.tiered(one.partition, node.id, entries_max=ENTRIES_MAX)
        return None if found is None or not found.total else await tiers_of(found, one.partition, ports)
    tiers = await tree.tiers(node.uri)
    if tiers is None:
        return None
    chunks = chunks_of_tiers(node.uri, tiers)
    return SetTiers(node.id, node.version, tiers, chunks, checked=True, own=tiers, where_different=True)
