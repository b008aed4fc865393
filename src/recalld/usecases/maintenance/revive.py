"""Indexes restored files and messages whose chunks were deleted while they were removed."""

from __future__ import annotations

from recalld.domain.commit import Commit, SetChunks
from recalld.domain.document import Chunk
from recalld.domain.errors import Corrupt, Invalid, NotFound
from recalld.domain.job import Job, Lane
from recalld.domain.job_payload import RevivePayload
from recalld.domain.node import Kind, Node
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.ports.ledger import Tenant
from recalld.ports.sessions import Sessions
from recalld.ports.tree import Tree
from recalld.rules.address import session_of
from recalld.rules.chunks import chunks_of_file
from recalld.rules.own_text import chunks_of_own_text
from recalld.usecases.tree.follow_up import FOLLOW_UP_JOBS
from recalld.usecases.tree.prepare import parse

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
