"""Do an import: file by file, in commits small enough that nobody waits for them; done again, it does only what is left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from recalld.domain.commit import INLINE_BYTES_MAX, Commit, Op, PutFile, Remove, UpdateTask, WriteMode
from recalld.domain.document import Tiers
from recalld.domain.errors import Corrupt, Denied, Invalid, NotFound
from recalld.domain.job import Job, TaskStatus
from recalld.domain.uri import DEPTH_MAX, Uri
from recalld.flows.tree.write import FOLLOWING
from recalld.ports.doors import Doors
from recalld.ports.ledger import Tenant
from recalld.ports.source import UPLOAD_NOTE, Choice, Found, Skipped, Source
from recalld.rules.costs import of_text
from recalld.rules.made import KEPT
from recalld.rules.turns import talk_head

from .plan import FilePlan, Place, Planned, Present, plan_file

FILES_PER_PLAN = 32
BYTES_PER_PLAN = 2 << 20
"""A plan holds its files parsed and cut: ten times their size, so they are few where they are large."""
CHUNKS_PER_COMMIT = 48
NODES_MAX = 1_000_000
WARNINGS_MAX = 100


@dataclass(slots=True)
class _Tally:
    """How far an import is. ``planned``: tokens a language model will take for its files, in ``calls``; ``kept``: files for
    which there was no room any more."""

    total: int = 0
    files: int = 0
    written: int = 0
    removed: int = 0
    unchanged: int = 0
    planned: int = 0
    calls: int = 0
    kept: int = 0
    warnings: list[str] = field(default_factory=list)


async def load(job: Job, doors: Doors) -> None:
    """The job behind ``accept``. Ends with the task completed; an upload of ours goes with the job's last attempt."""
    upload = doors.uploads / str(job.payload["upload"])
    try:
        await _import(job, upload, doors)
    except (Invalid, Denied, NotFound, Corrupt):
        await _discard(job, upload, doors)
        raise
    await _discard(job, upload, doors)


async def _import(job: Job, upload: Path, doors: Doors) -> None:
    root = Uri.parse(str(job.payload["root"]))
    tenant = doors.ledger.tenant(job.caller, bulk=True)
    source = await doors.compute.run(doors.open_source, upload, Choice(**_tuples(job.payload["choice"])))
    try:
        entries = await doors.compute.run(lambda: list(source.entries()))
        found = [e for e in entries if isinstance(e, Found)]
        tally = _Tally(len(found))
        tally.warnings += [f"skipped {e.path}: {e.why}" for e in entries if isinstance(e, Skipped)]
        place, present = await _survey(job, root, found, tenant, doors)
        for batch in _batches(found):
            if (await tenant.task(job.task_id)).ended:
                return  # cancelled: what is in stays, as a user sees it in the tree
            plans = await doors.compute.run(_plan, batch, place, present, source, doors)
            await _store(plans, job, tally, tenant, doors)
    finally:
        await doors.compute.run(source.close)
    await _finish(job, root, tally, tenant, doors)


async def _survey(job: Job, root: Uri, found: list[Found], tenant: Tenant, doors: Doors) -> tuple[Place, Present]:
    there = await tenant.walk(root, depth_max=DEPTH_MAX, nodes_max=NODES_MAX, hidden=True)

    def look() -> tuple[Place, Present]:
        single, split = bool(job.payload["single"]), bool(job.payload["split"])
        return Place.of(root, single=single, split=split, paths=(f.path for f in found)), Present.of(there)

    return await doors.compute.run(look)


async def _discard(job: Job, upload: Path, doors: Doors) -> None:
    """Delete what was uploaded for this import alone, and the note that lies beside it."""
    if job.payload["ours"]:
        await doors.compute.run(upload.unlink, missing_ok=True)
        await doors.compute.run(upload.with_name(upload.name + UPLOAD_NOTE).unlink, missing_ok=True)


def _tuples(choice: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in choice.items()}


def _batches(found: list[Found]) -> Iterator[list[str]]:
    held: list[str] = []
    size = 0
    for one in found:
        if held and (len(held) == FILES_PER_PLAN or size + one.size > BYTES_PER_PLAN):
            yield held
            held, size = [], 0
        held.append(one.path)
        size += one.size
    if held:
        yield held


def _plan(paths: list[str], place: Place, present: Present, source: Source, doors: Doors) -> list[FilePlan]:
    return [plan_file(p, place, present, source, doors) for p in paths]


async def _store(plans: list[FilePlan], job: Job, tally: _Tally, tenant: Tenant, doors: Doors) -> None:
    ops: list[PutFile | Remove] = []
    for plan in plans:
        # What was there goes first: a directory may take the name of a file, or a file that of a directory.
        ops += [Remove(uri, recursive=True) for uri in plan.removes]
        ops += [await _put(w, tuple(job.payload["tags"]), tally, doors) for w in plan.writes]
    tally.files += len(plans)
    tally.written += sum(len(p.writes) for p in plans)
    tally.removed += sum(len(p.removes) for p in plans)
    tally.unchanged += sum(1 for p in plans if not p.writes and not p.warnings)
    tally.warnings += [w for p in plans for w in p.warnings]
    seen = UpdateTask(job.task_id, TaskStatus.RUNNING, stage=f"parsing {tally.files}/{tally.total}")
    for some in _slices(ops):
        await tenant.commit(Commit((*some, seen), FOLLOWING, cause=job.task_id))


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


async def _tiers(planned: Planned, tally: _Tally, doors: Doors) -> Tiers:
    """At once without a language model, and for good where the import's budget of one is planned out."""
    tiers = await doors.model.tiers_of_document(planned.uri.name, planned.document)
    if doors.writer is None:
        return tiers
    tokens = of_text(len(planned.data))
    costs = doors.costs
    if tally.planned + tokens > costs.tokens_per_import_max or tally.calls >= costs.calls_per_import_max:
        tally.kept += 1
        return replace(tiers, made_by=KEPT)
    tally.planned += tokens
    tally.calls += 1
    return tiers


async def _put(planned: Planned, tags: tuple[str, ...], tally: _Tally, doors: Doors) -> PutFile:
    small = len(planned.data) <= INLINE_BYTES_MAX
    if not small:
        await doors.blobs.put(planned.data)
    head = talk_head(planned.document.text)
    return PutFile(
        planned.uri,
        WriteMode.UPSERT,
        planned.hash,
        len(planned.data),
        planned.document.media,
        data=planned.data if small else None,
        chunks=planned.chunks,
        tiers=await _tiers(planned, tally, doors),
        tags=tags or None,
        event_at=head.at if head is not None else None,
        speaker=head.speaker if head is not None else "",
        source=planned.origin,
    )


async def _finish(job: Job, root: Uri, tally: _Tally, tenant: Tenant, doors: Doors) -> None:
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
    if doors.writer is not None:
        result["model"] = {
            "provider": doors.writer.name,
            "tokens_planned": tally.planned,
            "tokens_per_import_max": doors.costs.tokens_per_import_max,
            "calls_planned": tally.calls,
            "calls_per_import_max": doors.costs.calls_per_import_max,
            "files_kept_extractive": tally.kept,
        }
    done = UpdateTask(job.task_id, TaskStatus.COMPLETED, stage="completed", result=result)
    await tenant.commit(
        Commit((done,), FOLLOWING if tally.written or tally.removed else (), done=job.id, cause=job.task_id)
    )
