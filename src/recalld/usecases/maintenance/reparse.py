"""Completes a file whose write was acknowledged before it was parsed: document, chunks, tiers."""

from __future__ import annotations

from recalld.domain.commit import Commit, SetChunks
from recalld.domain.errors import NotFound
from recalld.domain.job import Job, Lane
from recalld.domain.job_payload import ReparsePayload
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.rules.chunks import chunks_of_file
from recalld.usecases.tree.follow_up import FOLLOW_UP_JOBS
from recalld.usecases.tree.prepare import parse


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
    tiers = await ports.model.tiers_of_document(uri.name, document)
    change = SetChunks(node.id, node.version, chunks, tiers, quiet=job.payload.quiet)
    await tenant.commit(Commit((change,), FOLLOW_UP_JOBS, done=job.id), lane=Lane.BULK)
