"""Makes index rows again: of one large file, of a restored subtree, and of everybody after a salvage."""

from __future__ import annotations

from recalld.domain.commit import Commit, SetChunks, SetTiers
from recalld.domain.document import Chunk
from recalld.domain.errors import Corrupt, Invalid, NotFound
from recalld.domain.job import Job, Lane, RecheckPayload, ReparsePayload, RevivePayload
from recalld.domain.node import Kind, Node
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.ports.ledger import Sessions, Tenant, Tree
from recalld.ports.maintenance import IndexableNode
from recalld.rules.address import session_of
from recalld.rules.chunks import chunks_of_file, chunks_of_tiers
from recalld.rules.own_text import chunks_of_own_text
from recalld.rules.titles import name_in_folder
from recalld.usecases.tree.prepare import FOLLOW_UP_JOBS, parse

from .tiers import tiers_of

PAGE = 200


async def revive(job: Job[RevivePayload], ports: Ports) -> None:
    """Index the restored subtree in creation order; a second run does what is left."""
    uri, after = Uri.parse(job.payload.uri), 0
    tenant = ports.ledger.tenant(job.caller)
    try:
        while nodes := await ports.backlog.unindexed(job.caller, uri, after=after, limit=PAGE):
            for node in nodes:
                await _index(node, tenant, ports)
            after = nodes[-1].id
    except NotFound:
        pass  # removed again: nothing to index
    await tenant.commit(Commit((), FOLLOW_UP_JOBS, done=job.id), lane=Lane.BULK)


async def _index(node: Node, tenant: Tenant, ports: Ports) -> None:
    try:
        chunks = await chunks_of(node, tenant, ports)
        if chunks:
            await tenant.commit(Commit((SetChunks(node.id, node.version, chunks),)), lane=Lane.BULK)
    except (NotFound, Invalid, Corrupt):
        return  # removed meanwhile or unreadable: still found by its name and directory


async def chunks_of(node: Node, tenant: Tenant, ports: Ports) -> tuple[Chunk, ...]:
    """Return the chunks of a file or message. Raises ``NotFound``, ``Invalid``, ``Corrupt``."""
    return await (_of_message if node.kind is Kind.MESSAGE else _of_file)(node, tenant, ports)


async def _of_file(node: Node, tree: Tree, ports: Ports) -> tuple[Chunk, ...]:
    if session_of(node.uri):
        return ()  # tool outputs and session views are found through the messages
    document = await ports.compute.run(parse, node.uri, await tree.read(node.uri), ports)
    return await ports.compute.run(chunks_of_file, node.uri, document)


async def _of_message(node: Node, sessions: Sessions, ports: Ports) -> tuple[Chunk, ...]:
    return await ports.compute.run(chunks_of_own_text, await sessions.message(node.uri))


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
        tiers = await ports.model.tiers_of_document(name_in_folder(node.uri), document) if chunks else None
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


async def reparse(job: Job[ReparsePayload], ports: Ports) -> None:
    """Parse the file's present content; a concurrent write has a job of its own."""
    tenant = ports.ledger.tenant(job.caller)
    uri = Uri.parse(job.payload.uri)
    try:
        node, data = await tenant.file(uri)
    except NotFound:
        await tenant.commit(Commit(done=job.id), lane=Lane.BULK)
        return
    document = await ports.compute.run(parse, uri, data, ports)
    chunks = await ports.compute.run(chunks_of_file, uri, document)
    tiers = await ports.model.tiers_of_document(name_in_folder(uri), document)
    change = SetChunks(node.id, node.version, chunks, tiers, quiet=job.payload.quiet)
    await tenant.commit(Commit((change,), FOLLOW_UP_JOBS, done=job.id), lane=Lane.BULK)
