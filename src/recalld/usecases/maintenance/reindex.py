"""Rebuilds a subtree's index from its content: chunks (and with them vectors), tiers on request, and tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from recalld.domain.caller import Caller, Role
from recalld.domain.commit import Commit, NewTask, SetChunks, SetTiers, UpdateTask
from recalld.domain.errors import Corrupt, Denied, Invalid, NotFound
from recalld.domain.job import Job, Lane, ReindexPayload, TaskStatus
from recalld.domain.node import ContextType, Node
from recalld.domain.policy import REINDEXED_FILES_MAX
from recalld.domain.results import Reindexing
from recalld.domain.uri import DEPTH_MAX, Uri
from recalld.ports.bundle import Ports
from recalld.ports.ledger import Tenant, Tree
from recalld.ports.maintenance import IndexCoverage
from recalld.rules.address import context_type, session_of
from recalld.rules.chunks import chunks_of_file, chunks_of_tiers
from recalld.rules.titles import name_in_folder
from recalld.usecases.tree.prepare import FOLLOW_UP_JOBS, parse
from recalld.usecases.tree.tags import set_tags

from .purge import NODES_PER_SLICE, SLICES_MAX

MODES = ("vectors_only", "semantic_and_vectors", "prune_orphans")
LOG_EVERY = 50
WARNINGS_MAX = 20


@dataclass(slots=True)
class _Tally:
    scanned: int = 0
    rebuilt: int = 0
    deleted: int = 0
    dead: int = 0
    unsupported: int = 0
    failed: int = 0
    warnings: list[str] = field(default_factory=list)


async def begin(
    uri: Uri, mode: str, *, recursive: bool, tags: Sequence[str], append: bool, caller: Caller, ports: Ports
) -> Reindexing:
    """Enqueue the job and its task. Raises ``NotFound``, ``Denied``, ``Invalid``; ``Conflict`` while a reindex of this
    address runs."""
    check_reindex(uri, mode, caller)
    tenant = ports.ledger.tenant(caller)
    kind = "directory" if (await tenant.stat(uri)).is_dir else "file"
    task_id = f"task_{ports.clock.token()}"
    job = ReindexPayload(str(uri), mode, recursive, append, kind, tuple(tags)).job(f"reindex:{uri}", task_id=task_id)
    task = NewTask(task_id, "admin_reindex", str(uri), {"mode": mode}, alone=True)
    await tenant.commit(Commit((task,), (job,)))
    return Reindexing(uri, task_id, kind, mode)


async def would_prune(uri: Uri, caller: Caller, ports: Ports) -> dict[str, Any]:
    """Return what ``prune_orphans`` would delete now, without changing anything."""
    check_reindex(uri, "prune_orphans", caller)
    tenant, began = ports.ledger.tenant(caller), ports.clock.now()
    found = await tenant.consistency(uri, first=0)
    kind = "directory" if (await tenant.stat(uri)).is_dir else "file"
    tally = _Tally(scanned=found.expected, dead=found.dead)
    return _result(uri, kind, "prune_orphans", tally, ports.clock.now() - began)


def check_reindex(uri: Uri, mode: str, caller: Caller) -> None:
    """Check that a plain user reindexes only the user's own tree, and no session: sessions are indexed by their
    messages. Raises ``Denied``, ``Invalid``."""
    if mode not in MODES:
        raise Invalid(f"mode {mode!r} is unknown", remedy=f"use {', '.join(MODES)}", details={"field": "mode"})
    if session_of(uri):
        raise Invalid(f"{uri} belongs to a session", remedy="reindex a directory of files", details={"uri": str(uri)})
    if caller.role is Role.USER and not uri.under(Uri(("user", caller.user))):
        raise Denied(f"{uri} is not yours to reindex", remedy="reindex below viking://~", details={"uri": str(uri)})


async def reindex(job: Job[ReindexPayload], ports: Ports) -> None:
    """Rebuild file by file; a repeated run starts over with the same result."""
    tenant = ports.ledger.tenant(job.caller)
    options, began = job.payload, ports.clock.now()
    uri, mode = Uri.parse(options.uri), options.mode
    tally = _Tally()
    if mode == "prune_orphans":
        await _prune(uri, tally, tenant, ports)
    else:
        nodes = await _nodes(uri, options.recursive, tally, tenant)
        for index, node in enumerate(nodes):
            if index % LOG_EVERY == 0:
                stage = f"reindexing {index} of {len(nodes)}"
                await tenant.commit(Commit((UpdateTask(job.task_id, TaskStatus.RUNNING, stage=stage),)), lane=Lane.BULK)
            await _rebuild(node, mode, tally, tenant, ports)
    if options.tags:
        await set_tags(
            uri, options.tags, append=options.append, recursive=options.recursive,
            caller=job.caller, ports=ports,
        )  # fmt: skip
    result = _result(uri, options.type, mode, tally, ports.clock.now() - began)
    done = UpdateTask(job.task_id, TaskStatus.COMPLETED, stage="completed", result=result)
    await tenant.commit(Commit((done,), FOLLOW_UP_JOBS, done=job.id), lane=Lane.BULK)


async def _nodes(uri: Uri, recursive: bool, tally: _Tally, tree: Tree) -> list[Node]:
    """Return the node and its descendants (one level unless ``recursive``), without sessions."""
    top = await tree.stat(uri)
    if not top.is_dir:
        return [top]
    entries = await tree.walk(uri, depth_max=DEPTH_MAX if recursive else 1, nodes_max=REINDEXED_FILES_MAX + 1)
    if len(entries) > REINDEXED_FILES_MAX:
        tally.warnings.append(f"only the first {REINDEXED_FILES_MAX} entries were reindexed; go on by subdirectory")
    below = [e.node for e in entries[:REINDEXED_FILES_MAX]]
    return [node for node in (top, *below) if node.id and not session_of(node.uri)]


async def _rebuild(node: Node, mode: str, tally: _Tally, tenant: Tenant, ports: Ports) -> None:
    """Rebuild a node. A node removed or rewritten meanwhile was indexed by that write."""
    tally.scanned += 1
    try:
        change = await (_of_directory if node.is_dir else _of_file)(node, mode, tenant, ports)
        if change is None:
            tally.unsupported += 0 if node.is_dir else 1
            return
        receipt = await tenant.commit(Commit((change,)), lane=Lane.BULK)
        tally.rebuilt += 0 if receipt.stale else 1
    except NotFound:
        return
    except (Invalid, Corrupt) as bad:
        tally.failed += 1
        if len(tally.warnings) < WARNINGS_MAX:
            tally.warnings.append(f"{node.uri}: {bad}")


async def _of_file(node: Node, mode: str, tree: Tree, ports: Ports) -> SetChunks | None:
    document = await ports.compute.run(parse, node.uri, await tree.read(node.uri), ports)
    chunks = await ports.compute.run(chunks_of_file, node.uri, document)
    if not chunks:
        return None
    # A memory's abstract consists of its quotations, not of its file.
    rebuild_tiers = mode == "semantic_and_vectors" and context_type(node.uri) is not ContextType.MEMORY
    tiers = await ports.model.tiers_of_document(name_in_folder(node.uri), document) if rebuild_tiers else None
    return SetChunks(node.id, node.version, chunks, tiers)


async def _of_directory(node: Node, mode: str, tree: Tree, ports: Ports) -> SetTiers | None:
    """Index a directory's existing abstract and overview again; files with new tiers mark it stale."""
    tiers = await tree.tiers(node.uri)
    if tiers is None:
        return None
    return SetTiers(node.id, node.version, tiers, chunks_of_tiers(node.uri, tiers), checked=True, own=tiers)


async def _prune(uri: Uri, tally: _Tally, coverage: IndexCoverage, ports: Ports) -> None:
    before = await coverage.consistency(uri, first=0)
    for _ in range(SLICES_MAX):
        if not await ports.cleanup.purge(nodes_max=NODES_PER_SLICE):
            break
    after = await coverage.consistency(uri, first=0)
    tally.scanned, tally.deleted = before.expected, before.dead - after.dead


def _result(uri: Uri, kind: str, mode: str, tally: _Tally, took_s: float) -> dict[str, Any]:
    return {
        "status": "completed",
        "uri": str(uri),
        "object_type": kind,
        "mode": mode,
        "scanned_records": tally.scanned,
        "rebuilt_records": tally.rebuilt,
        "deleted_records": tally.deleted,
        "would_delete_records": tally.dead,
        "unsupported_records": tally.unsupported,
        "failed_records": tally.failed,
        "duration_ms": round(took_s * 1000, 3),
        "warnings": tally.warnings,
    }
