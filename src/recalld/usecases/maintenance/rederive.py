"""Derives titles, chunks and tiers again that an earlier version of the rules made; until then those serve."""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, SetChunks, SetTiers
from recalld.domain.document import EXTRACTIVE, Document
from recalld.domain.errors import Corrupt, Invalid, NotFound
from recalld.domain.job import Job, Lane, RederivePayload
from recalld.domain.node import ContextType, Node
from recalld.ports.bundle import Ports
from recalld.ports.ledger import Tree
from recalld.ports.maintenance import IndexableNode
from recalld.rules.address import context_type
from recalld.rules.chunks import chunks_of_file
from recalld.rules.titles import name_in_folder
from recalld.usecases.tree.prepare import FOLLOW_UP_JOBS, parse

from .tiers import ENTRIES_MAX, tiers_of

NODES_PER_RUN = 24
"""Then the job yields: it goes behind everything else."""
PAUSE_S = 1.0
"""How long it waits between runs while there is other work."""
STORE = Caller(account="", user="")
Change = SetChunks | SetTiers


async def enqueue_rederivation(ports: Ports) -> None:
    """Enqueue the job if the store has texts of an earlier derivation, for example after an update of the program."""
    if await ports.stats.derivation() is not None:
        return
    for directories in (False, True):
        after, found = 0, False
        while not found:
            living, after = await ports.backlog.outdated(directories=directories, after=after, limit=NODES_PER_RUN)
            found = bool(living)
            if not after:
                break
        if found:
            total = await ports.stats.outdated_count()
            job = RederivePayload(directories=directories, total=total).job(lane=Lane.BACKGROUND)
            await ports.ledger.tenant(STORE).commit(Commit(jobs=(job,)), lane=Lane.BULK)
            return


async def rederive(job: Job[RederivePayload], ports: Ports) -> None:
    """Derive a page again and enqueue the next one. A repeated run finds what is left: every node's commit marks it as derived."""
    payload = job.payload
    found, after = await ports.backlog.outdated(
        directories=payload.directories, after=payload.after, limit=NODES_PER_RUN
    )
    trees: dict[Caller, None] = {}
    for one in found:
        if await _derive(one, ports):
            trees[one.partition] = None
    for tree in trees:
        await ports.ledger.tenant(tree).commit(Commit(jobs=FOLLOW_UP_JOBS), lane=Lane.BULK)
    following: tuple[RederivePayload, ...] = ()
    if after:
        following = (structs.replace(payload, after=after, done=payload.done + len(found)),)
    elif not payload.directories:
        following = (structs.replace(payload, after=0, directories=True),)
    wait_s = PAUSE_S if await ports.backlog.has_other_work() else 0.0
    jobs = tuple(next_page.job(lane=Lane.BACKGROUND, delay_s=wait_s) for next_page in following)
    await ports.ledger.tenant(job.caller).commit(Commit(jobs=jobs, done=job.id), lane=Lane.BULK)


async def _derive(one: IndexableNode, ports: Ports) -> bool:
    """Derive one node in a commit of its own; False if there is nothing to change or it cannot be read."""
    tenant = ports.ledger.tenant(one.partition)
    try:
        change = await (_of_directory(one, ports) if one.node.is_dir else _of_file(one.node, tenant, ports))
        if change is None:
            return False
        await tenant.commit(Commit((change,), cause="rederive"), lane=Lane.BULK)
    except (NotFound, Invalid, Corrupt):
        return False  # removed meanwhile or unreadable: its readers get the error
    return True


async def _of_file(node: Node, tree: Tree, ports: Ports) -> Change | None:
    own = await tree.tiers(node.uri)
    if own is None:
        return None
    # A memory's abstract consists of its quotations, not of its file.
    if context_type(node.uri) is ContextType.MEMORY or not (own.abstract or own.overview):
        return SetTiers(node.id, node.version, replace(own, made_by=EXTRACTIVE), (), checked=True, own=own)
    document = await ports.compute.run(parse, node.uri, await tree.read(node.uri), ports)
    document = titled_as_part(node, document)
    chunks = await ports.compute.run(chunks_of_file, node.uri, document)
    tiers = await ports.model.tiers_of_document(name_in_folder(node.uri), document)
    return SetChunks(node.id, node.version, chunks, tiers, where_different=True)


async def _of_directory(one: IndexableNode, ports: Ports) -> Change | None:
    found = await ports.backlog.tiered(one.partition, one.node.id, entries_max=ENTRIES_MAX)
    return None if found is None else await tiers_of(found, one.partition, ports)


def titled_as_part(node: Node, document: Document) -> Document:
    """Return a part of a split document with its title: the headings above it, as its import recorded them."""
    headings = node.source.get("headings")
    if int(node.source.get("parts") or 1) < 2 or not isinstance(headings, list) or not headings:
        return document
    return replace(document, title=" › ".join(str(heading) for heading in headings))
