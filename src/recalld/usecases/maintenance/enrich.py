"""Replace extractive abstracts and overviews by a language model's, bottom-up."""

from __future__ import annotations

from dataclasses import replace

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, KeepMade, Op, SetTiers
from recalld.domain.document import Document, Tiers
from recalld.domain.errors import Busy, Corrupt, Invalid, RecalldError, Upstream
from recalld.domain.job import EnrichPayload, Job, Lane, NewJob
from recalld.domain.node import Node
from recalld.ports.bundle import Ports
from recalld.ports.maintenance import StaleDir
from recalld.ports.model import Child, Model, Writer
from recalld.rules.chunks import chunks_of_tiers
from recalld.rules.generation_cache_key import FAILED, cache_key, generator_id
from recalld.rules.sidecar import refreshed
from recalld.usecases.tree.prepare import EMBED, parse

from .provider_budget import cost, open_budget

ENRICH = EnrichPayload().job(delay_s=1.0)
"""Follow-up job where tiers are extractive and a writer is configured. Merged by key."""
ENTRIES_MAX = 200
NODES_PER_RUN = 40
RUN_S = 10.0
"""Then the job yields and is rescheduled: workers are few and model calls are slow."""
ITS_OWN_FAULT = (400, 413, 422)
"""Statuses of a healthy provider that cannot process this one text."""
Content = Document | tuple[Child, ...]


async def enrich(job: Job[EnrichPayload], ports: Ports) -> None:
    """Run the writer over the caller's tree; the account's shared tree has a job of its own, so that the jobs of two
    users never process the same node. A writer that is unavailable or over budget does not fail this job: it is
    rescheduled. Raises ``Upstream``: the job is retried."""
    again: tuple[NewJob, ...] = ()
    if ports.writer is not None:
        if job.caller.user:
            await _hand_on(replace(job.caller, user=""), ports.writer, ports)
        try:
            if await _tree(job.caller, ports.clock.monotonic() + RUN_S, ports.writer, ports):
                again = (ENRICH,)
        except Busy as later:
            again = (replace(ENRICH, delay_s=max(later.retry_after_s, 1.0)),)
    following = (*again, EMBED)
    await ports.ledger.tenant(job.caller).commit(Commit(jobs=following, done=job.id), lane=Lane.BULK)


async def _hand_on(tree: Caller, writer: Writer, ports: Ports) -> bool:
    """Enqueue the job of another tree if there is anything to do; merged with a waiting one."""
    left = await ports.backlog.unwritten(tree, by=generator_id(writer.name, writer.version), limit=1)
    if left:
        await ports.ledger.tenant(tree).commit(Commit(jobs=(ENRICH,)), lane=Lane.BULK)
    return bool(left)


async def take_up(ports: Ports) -> int:
    """Enqueue the job of every tree with outdated tiers, after a writer was configured or its prompts changed. Returns
    the number of trees."""
    writer = ports.writer
    if writer is None:
        return 0
    return sum([await _hand_on(tree, writer, ports) for tree in await ports.backlog.partitions()])


async def _tree(tree: Caller, until: float, writer: Writer, ports: Ports) -> bool:
    """Run one pass, deepest first, so that a directory sees its children's new abstracts; True: there is more to do."""
    found = await ports.backlog.unwritten(tree, by=generator_id(writer.name, writer.version), limit=NODES_PER_RUN + 1)
    for node_id in found[:NODES_PER_RUN]:
        if ports.clock.monotonic() >= until:
            return True
        seen = await ports.backlog.tiered(tree, node_id, entries_max=ENTRIES_MAX)
        if seen is not None:
            await _node(seen, tree, writer, ports)
    return len(found) > NODES_PER_RUN


async def _node(seen: StaleDir, tree: Caller, writer: Writer, ports: Ports) -> None:
    children = tuple(map(child_of, seen.entries))
    key = _key(seen, children, tree, writer)
    known = await ports.backlog.cached_tiers(key)
    if known is not None:
        await _keep(seen, replace(known, made_by=generator_id(writer.name, writer.version)), (), tree, ports)
        return
    content = children if seen.node.is_dir else await _document(seen.node, tree, ports)
    if not content:
        # Nothing to summarise: the existing text is final.
        await _keep(seen, replace(_own(seen), made_by=generator_id(writer.name, writer.version)), (), tree, ports)
        return
    await _write(seen, content, key, tree, writer, ports)


async def _write(seen: StaleDir, content: Content, key: str, tree: Caller, writer: Writer, ports: Ports) -> None:
    """Call the model and store the answer with its usage in one commit; a failed call is recorded too."""
    budget = await open_budget(writer, ports)
    try:
        tiers = await _tiers(seen, content, writer.on(budget))
    except (Busy, Upstream, Invalid) as failed:
        itself = isinstance(failed, Invalid) or failed_by_itself(failed)
        usage = cost(budget, "tiers", writer, ports, None if itself else failed)
        if itself:
            own = replace(_own(seen), made_by=generator_id(writer.name, writer.version) + FAILED)
            await _keep(seen, own, usage, tree, ports)
            return
        if usage:
            await ports.ledger.tenant(tree).commit(Commit(usage), lane=Lane.BULK)
        raise
    usage = cost(budget, "tiers", writer, ports)
    await _keep(seen, tiers, (*usage, KeepMade(key, tiers)), tree, ports)


async def _tiers(seen: StaleDir, content: Content, model: Model) -> Tiers:
    uri = seen.node.uri
    if isinstance(content, Document):
        return await model.tiers_of_document(uri.name, content)
    return await model.tiers_of_directory(str(uri), title_of(seen.node), content, seen.total)


async def _keep(seen: StaleDir, generated: Tiers, more: tuple[Op, ...], tree: Caller, ports: Ports) -> None:
    """Store tiers if the node's version is unchanged; a node changed meanwhile has a job of its own."""
    tiers = refreshed(seen.own, generated)
    chunks = chunks_of_tiers(seen.node.uri, tiers) if seen.node.is_dir else ()
    change = SetTiers(seen.node.id, seen.node.version, tiers, chunks, seen.seq, checked=True, own=seen.own)
    await ports.ledger.tenant(tree).commit(Commit((change, *more), cause="enrich"), lane=Lane.BULK)


async def _document(node: Node, tree: Caller, ports: Ports) -> Document | None:
    """Return a file's parsed text; None if it is gone or has none."""
    try:
        found = await ports.backlog.node_text(tree, node.id)
        document = None if found is None else await ports.compute.run(parse, node.uri, found[1], ports)
    except (Invalid, Corrupt):
        return None
    return document if document is not None and (document.indexable or document.text).strip() else None


def failed_by_itself(failure: RecalldError) -> bool:
    """True if the provider is healthy and the text is at fault."""
    return isinstance(failure, Upstream) and failure.details.get("status") in ITS_OWN_FAULT


def child_of(node: Node) -> Child:
    """Return a directory's entry for the prompt."""
    return Child(node.uri.name, node.is_dir, node.abstract)


def title_of(node: Node) -> str:
    """Return a directory's name in words."""
    return node.uri.name.replace("_", " ")


async def known_directory(seen: StaleDir, tree: Caller, ports: Ports) -> Tiers | None:
    """Return the writer's earlier tiers of a directory with the same contents, which a refresh keeps."""
    if ports.writer is None:
        return None
    found = await ports.backlog.cached_tiers(_key(seen, tuple(map(child_of, seen.entries)), tree, ports.writer))
    return None if found is None else replace(found, made_by=generator_id(ports.writer.name, ports.writer.version))


def _key(seen: StaleDir, children: tuple[Child, ...], tree: Caller, writer: Writer) -> str:
    if not seen.node.is_dir:
        parts = ["document", seen.node.uri.name, seen.node.hash]
    else:
        parts = ["directory", str(seen.node.uri), str(seen.total)]
        parts += [text for child in children for text in (child.name, str(child.is_dir), child.abstract)]
    return cache_key(tree.account, generator_id(writer.name, writer.version), parts)


def _own(seen: StaleDir) -> Tiers:
    return seen.own or Tiers("")
