"""Do an import: file by file, in commits small enough that nobody waits for them; done again, it does only what is left."""

from __future__ import annotations

import hashlib
import posixpath
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recalld.domain.commit import INLINE_BYTES_MAX, Commit, Op, PutFile, Remove, UpdateTask, WriteMode
from recalld.domain.job import Job, TaskStatus
from recalld.domain.uri import DEPTH_MAX, Uri
from recalld.flows.tree.write import FOLLOWING
from recalld.ports.doors import Doors
from recalld.ports.ledger import Tenant
from recalld.ports.source import Choice, Found, Skipped, Source
from recalld.rules.chunks import chunks_of_file

from .plan import FilePlan, Planned, Present, plan_file

FILES_PER_PLAN = 16
CHUNKS_PER_COMMIT = 48
NODES_MAX = 1_000_000
WARNINGS_MAX = 100


@dataclass(slots=True)
class _Tally:
    """How far an import is."""

    files: int = 0
    written: int = 0
    removed: int = 0
    unchanged: int = 0
    warnings: list[str] = field(default_factory=list)


async def load(job: Job, doors: Doors) -> None:
    """The job behind ``accept``. Ends with the task completed and its upload deleted if it was ours."""
    payload = job.payload
    root = Uri.parse(str(payload["root"]))
    upload = Path(str(payload["upload"]))
    tenant = doors.ledger.tenant(job.caller, bulk=True)
    source = await doors.compute.run(doors.open_source, upload, Choice(**_tuples(payload["choice"])))
    tally = _Tally()
    try:
        entries = await doors.compute.run(lambda: list(source.entries()))
        present = Present.of(await tenant.walk(root, depth_max=DEPTH_MAX, nodes_max=NODES_MAX, hidden=True))
        found = [e for e in entries if isinstance(e, Found)]
        tally.warnings += [f"skipped {e.path}: {e.why}" for e in entries if isinstance(e, Skipped)]
        for start in range(0, len(found), FILES_PER_PLAN):
            paths = [f.path for f in found[start : start + FILES_PER_PLAN]]
            plans = await doors.compute.run(_plan, paths, payload, root, _folders(found), present, source, doors)
            await _store(plans, job, tally, len(found), tenant, doors)
    finally:
        await doors.compute.run(source.close)
    await _finish(job, root, tally, tenant)
    if payload["ours"]:
        await doors.compute.run(upload.unlink, missing_ok=True)


def _tuples(choice: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in choice.items()}


def _folders(found: list[Found]) -> frozenset[str]:
    """Paths a document's directory may not take: folders, files, and what two documents would both be called."""
    bare = Counter(posixpath.splitext(f.path)[0] for f in found)
    folders = {f.path.rpartition("/")[0] for f in found}
    return frozenset(folders | {f.path for f in found} | {name for name, count in bare.items() if count > 1})


def _plan(
    paths: list[str],
    payload: dict[str, Any],
    root: Uri,
    folders: frozenset[str],
    present: Present,
    source: Source,
    doors: Doors,
) -> list[FilePlan]:
    return [
        plan_file(p, root, bool(payload["single"]), bool(payload["split"]), folders, present, source, doors)
        for p in paths
    ]


async def _store(plans: list[FilePlan], job: Job, tally: _Tally, total: int, tenant: Tenant, doors: Doors) -> None:
    puts = [await _put(w, tuple(job.payload["tags"]), doors) for plan in plans for w in plan.writes]
    gone = [Remove(uri) for plan in plans for uri in plan.removes]
    tally.files += len(plans)
    tally.written += len(puts)
    tally.removed += len(gone)
    tally.unchanged += sum(1 for p in plans if not p.writes and not p.warnings)
    tally.warnings += [w for p in plans for w in p.warnings]
    seen = UpdateTask(job.task_id, TaskStatus.RUNNING, stage=f"parsing {tally.files}/{total}")
    for ops in _slices([*puts, *gone]):
        await tenant.commit(Commit((*ops, seen), FOLLOWING, cause=job.task_id))


def _slices(ops: list[PutFile | Remove]) -> Iterator[tuple[Op, ...]]:
    held: list[Op] = []
    size = 0
    for op in ops:
        weight = len(op.chunks or ()) + 1 if isinstance(op, PutFile) else 1
        if held and size + weight > CHUNKS_PER_COMMIT:
            yield tuple(held)
            held, size = [], 0
        held.append(op)
        size += weight
    if held:
        yield tuple(held)


async def _put(planned: Planned, tags: tuple[str, ...], doors: Doors) -> PutFile:
    small = len(planned.data) <= INLINE_BYTES_MAX
    if not small:
        await doors.blobs.put(planned.data)
    return PutFile(
        planned.uri,
        WriteMode.UPSERT,
        await doors.compute.run(lambda: hashlib.sha256(planned.data).hexdigest()),
        len(planned.data),
        planned.document.media,
        data=planned.data if small else None,
        chunks=await doors.compute.run(chunks_of_file, planned.uri, planned.document),
        tiers=await doors.model.tiers_of_document(planned.uri.name, planned.document),
        tags=tags or None,
        source=planned.origin,
    )


async def _finish(job: Job, root: Uri, tally: _Tally, tenant: Tenant) -> None:
    result = {
        "status": "success",
        "root_uri": str(root),
        "queue_status": {
            name: {"processed": tally.files, "requeue_count": 0, "error_count": 0, "errors": []}
            for name in ("Semantic", "Embedding")
        },
        "context_count": tally.written,
        "files": tally.files,
        "unchanged": tally.unchanged,
        "removed": tally.removed,
        "warnings": tally.warnings[:WARNINGS_MAX],
        "warnings_total": len(tally.warnings),
    }
    done = UpdateTask(job.task_id, TaskStatus.COMPLETED, stage="completed", result=result)
    await tenant.commit(
        Commit((done,), FOLLOWING if tally.written or tally.removed else (), done=job.id, cause=job.task_id)
    )
