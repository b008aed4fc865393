"""Runs an import file by file, in commits small enough not to delay others; a second run does only what is left.

Files moved at the source are moved first, then new and changed files are written, and after all of them files gone at
the source are removed. Every commit is conditional on the target (``Anchor``) and on each file as it was read; after a
conflict the import reads again and plans what is left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recalld.domain.commit import Anchor, Commit, Move, Op, PutFile, Remove, UpdateTask, WriteMode
from recalld.domain.document import Tiers
from recalld.domain.errors import Conflict, Corrupt, Denied, Invalid, NotFound
from recalld.domain.job import ImportPayload, Job, Lane, TaskStatus
from recalld.domain.node import Entry, Node
from recalld.domain.uri import DEPTH_MAX, Uri
from recalld.ports.bundle import Ports
from recalld.ports.ledger import Tenant
from recalld.ports.source import UPLOAD_NOTE, Found, Skipped, Source
from recalld.rules.costs import of_text
from recalld.rules.generation_cache_key import OVER_BUDGET
from recalld.rules.titles import name_in_folder
from recalld.usecases.tree.prepare import FOLLOW_UP_JOBS, PreparedFile, put_file

from . import mirror
from .existing_files import ExistingFiles
from .import_progress import ImportProgress, SourceScan
from .plan import FilePlan, FileStatus, Place, Planned, blocked_above, case_twins, lay_out, plan_file

FILES_PER_PLAN = 32
BYTES_PER_PLAN = 2 << 20
"""A plan holds its files parsed and split, about ten times their size, so large files are planned in small batches."""
CHUNKS_PER_COMMIT = 48
REMOVES_PER_COMMIT = 100
MOVES_PER_COMMIT = 20
NODES_MAX = 1_000_000
LOOKS_MAX = 20
"""Conflicts per attempt before the job is rescheduled."""


async def run_import(job: Job[ImportPayload], ports: Ports) -> None:
    """Run the job of ``accept``. Completes the task; an upload of ours is deleted with the job's last attempt."""
    upload = ports.uploads / job.payload.upload
    try:
        await _import(job, upload, ports)
    except (Invalid, Denied, NotFound, Corrupt):
        await _discard(job, upload, ports)
        raise
    await _discard(job, upload, ports)


async def _import(job: Job[ImportPayload], upload: Path, ports: Ports) -> None:
    source = await ports.compute.run(ports.open_source, upload, job.payload.choice)
    tenant = ports.ledger.tenant(job.caller)
    try:
        listing = await ports.compute.run(lambda: list(source.entries()))
        for looks in range(1, LOOKS_MAX + 1):
            try:
                await _Pass(job, source, listing, tenant, ports).run()
            except (Conflict, NotFound, Invalid) as changed:
                if looks == LOOKS_MAX or not _may_look_again(changed):
                    raise
            else:
                return
    finally:
        await ports.compute.run(source.close)


def _may_look_again(changed: Conflict | NotFound | Invalid) -> bool:
    """False for errors that a retry cannot fix: a lost lease, invalid input."""
    if isinstance(changed, Conflict):
        return changed.code != "ABORTED" or "uri" in changed.details
    return "uri" in changed.details or "resource" in changed.details


@dataclass(slots=True)
class _Survey:
    root: Uri
    anchor: Anchor
    place: Place
    existing: ExistingFiles
    again: bool
    earlier: Any


class _Pass:
    """One pass over the target and all changes that follow from it."""

    def __init__(
        self, job: Job[ImportPayload], source: Source, listing: list[Found | Skipped], tenant: Tenant, ports: Ports
    ) -> None:
        self.job, self.source, self.listing, self.tenant, self.ports = job, source, listing, tenant, ports
        self.found = [e for e in listing if isinstance(e, Found)]
        self.scan = SourceScan(len(self.found))
        self.done = ImportProgress()

    async def run(self) -> None:
        task = await self.tenant.task(self.job.task_id)
        if task.ended:
            return  # cancelled: files imported so far stay
        self.done = ImportProgress.of(task.result)
        for skipped in (e for e in self.listing if isinstance(e, Skipped)):
            self.scan.left_out.append(f"skipped {skipped.path}: {skipped.why}")
            self.scan.kinds[skipped.why] += 1
        self.scan.left_out += case_twins(e.path for e in self.found)
        at = await self._survey(Uri.parse(task.resource_id))
        gone = mirror.missing(at.existing, self.listing, self.job.payload.left_out)
        moves = await self.ports.compute.run(self._moves, gone, at) if gone else []
        if moves:
            await self._move(moves, at)
            at = await self._survey(at.root)
        blocked: list[str] = []
        if not await self._write([e.path for e in self.found], self._sizes(), at, blocked):
            return
        if await self._remove(at) and blocked:
            at = await self._survey(at.root)
            if not await self._write(blocked, self._sizes(), at, None):
                return
        await self._finish(at)

    def _sizes(self) -> dict[str, int]:
        return {e.path: e.size for e in self.found}

    # ---------------------------------------------------------------- looking
    async def _survey(self, root: Uri) -> _Survey:
        payload = self.job.payload
        exact = payload.exact
        top = await self.tenant.stat(root.parent if exact else root)
        there = await self._there(root, exact=exact)
        lineage = payload.lineage
        choices = top.source.get("choices") or {}

        def look() -> tuple[Place, ExistingFiles]:
            place = Place.of(
                root,
                single=payload.single,
                split=payload.split,
                paths=(e.path for e in self.found),
                lineage=lineage,
                tags=payload.tags,
                append_tags=payload.tag_mode == "append",
                exact=exact,
            )
            legacy = bool(payload.origin) and top.source.get("origin") == payload.origin
            return place, ExistingFiles.of(there, root, lineage, legacy=legacy)

        place, existing = await self.ports.compute.run(look)
        return _Survey(root, Anchor(top.id, top.uri), place, existing, existing.again, choices.get(lineage))

    async def _there(self, root: Uri, *, exact: bool) -> list[Entry]:
        if not exact:
            return await self.tenant.walk(root, depth_max=DEPTH_MAX, nodes_max=NODES_MAX, hidden=True)
        try:
            return [Entry(await self.tenant.stat(root), "")]
        except NotFound:
            return []

    def _moves(self, gone: list[str], at: _Survey) -> list[tuple[str, str]]:
        new = [e.path for e in self.found if e.path not in at.existing.files]
        return mirror.moved(at.existing, gone, digests(new, self.source))

    # ----------------------------------------------------------------- moving
    async def _move(self, moves: list[tuple[str, str]], at: _Survey) -> None:
        """Move files that moved at the source; where that is impossible, the new one is written and the former one
        removed."""
        gone: list[Uri] = []
        for start in range(0, len(moves), MOVES_PER_COMMIT):
            some = moves[start : start + MOVES_PER_COMMIT]
            planned = [p for p in await self.ports.compute.run(self._plan_moves, some, at) if p]
            ops: list[Op] = []
            for pairs in planned:
                for node, plan in pairs:
                    ops += [Move(node.uri, plan.uri), _remark(replace(node, uri=plan.uri), plan.origin, None)]
                    gone.append(node.uri)
            self.done.moved += len(planned)
            if ops:
                await self._commit(ops, at, f"moving {start + len(some)}/{len(moves)}")
        await self._remove_emptied(gone, at)

    def _plan_moves(self, moves: list[tuple[str, str]], at: _Survey) -> list[list[tuple[Node, Planned]]]:
        return [self._plan_move(former, path, at) for former, path in moves]

    def _plan_move(self, former: str, path: str, at: _Survey) -> list[tuple[Node, Planned]]:
        nodes = [b.node for b in sorted(at.existing.files[former], key=lambda b: b.part)]
        data = self.source.read(path)
        if data is None or path in at.place.taken:
            return []
        try:
            planned, _ = lay_out(path, data, hashlib.sha256(data).hexdigest(), at.place, self.ports)
        except (Invalid, Denied):
            return []
        free = all(p.uri not in at.existing.nodes and not blocked_above(p.uri, at.root, at.existing) for p in planned)
        same = [n.hash for n in nodes] == [p.hash for p in planned]
        return list(zip(nodes, planned, strict=True)) if free and same else []

    async def _remove_emptied(self, gone: list[Uri], at: _Survey) -> None:
        """Remove directories that became empty; one with new entries stays."""
        if not gone:
            return
        there = await self._there(at.root, exact=at.place.exact)
        left = {e.node.uri.parent for e in there}
        folders = [f for f in at.existing.emptied(gone, at.root) if not any(u.under(f) for u in left)]
        for start in range(0, len(folders), REMOVES_PER_COMMIT):
            await self._commit([Remove(f) for f in folders[start : start + REMOVES_PER_COMMIT]], at, "removing")

    # ---------------------------------------------------------------- writing
    async def _write(self, paths: Sequence[str], sizes: dict[str, int], at: _Survey, blocked: list[str] | None) -> bool:
        """Write new and changed files; False if the import was cancelled meanwhile."""
        for batch in _batches(paths, sizes):
            if (await self.tenant.task(self.job.task_id)).ended:
                return False
            plans = await self.ports.compute.run(self._plan, batch, at)
            for plan in plans:
                self._count(plan, blocked)
            await self._store(plans, at)
        return True

    def _plan(self, paths: list[str], at: _Survey) -> list[FilePlan]:
        return [plan_file(p, at.place, at.existing, self.source, self.ports) for p in paths]

    def _count(self, plan: FilePlan, blocked: list[str] | None) -> None:
        """Count files without a commit; the next attempt sees them again."""
        if plan.blocked and blocked is not None:
            blocked.append(plan.path)
            return
        self.scan.files += 1
        self.scan.conflicts += plan.conflicts
        self.scan.conflicted += plan.status is FileStatus.CONFLICT
        if plan.status is FileStatus.LEFT_OUT:
            self.scan.missed += 1
            self.scan.left_out += plan.warnings

    async def _store(self, plans: list[FilePlan], at: _Survey) -> None:
        held: list[Op] = []
        size = 0
        for plan in plans:
            # Removals come first: a directory may take the name of a file, or a file that of a directory.
            ops: list[Op] = [Remove(uri, expect=expect) for uri, expect in plan.removes]
            ops += [_remark(*remark) for remark in plan.remarks]
            ops += [await self._put(w) for w in plan.writes]
            for op in ops:
                weight = len(op.chunks or ()) + 1 if isinstance(op, PutFile) else 1
                if held and size + weight > CHUNKS_PER_COMMIT:
                    await self._commit(held, at, f"parsing {self.scan.files}/{self.scan.total}")
                    held, size = [], 0
                held.append(op)
                size += weight
            self.done.new += bool(plan.writes) and plan.status is FileStatus.NEW
            self.done.changed += bool(plan.writes) and plan.status is FileStatus.CHANGED
            self.done.written += len(plan.writes)
            if plan.writes:
                self.done.warn(plan.warnings)
        if held:
            await self._commit(held, at, f"parsing {self.scan.files}/{self.scan.total}")

    async def _commit(self, ops: Iterable[Op], at: _Survey, stage: str) -> None:
        seen = UpdateTask(self.job.task_id, TaskStatus.RUNNING, stage=stage, result=self.done.progress())
        await self.tenant.commit(
            Commit((at.anchor, *ops, seen), FOLLOW_UP_JOBS, cause=self.job.task_id), lane=Lane.BULK
        )

    async def _tiers(self, planned: Planned) -> Tiers:
        """Return extractive tiers; final without a language model or when the import's budget is used up."""
        done, costs = self.done, self.ports.costs
        tiers = await self.ports.model.tiers_of_document(name_in_folder(planned.uri), planned.document)
        if self.ports.writer is None:
            return tiers
        tokens = of_text(len(planned.data))
        if done.planned + tokens > costs.tokens_per_import_max or done.calls >= costs.calls_per_import_max:
            done.kept += 1
            return replace(tiers, made_by=OVER_BUDGET)
        done.planned += tokens
        done.calls += 1
        return tiers

    async def _put(self, planned: Planned) -> PutFile:
        prepared = PreparedFile(planned.hash, planned.document.media, planned.document, planned.chunks, parsed=False)
        put = await put_file(
            planned.uri,
            planned.data,
            prepared,
            self.ports,
            mode=WriteMode.UPSERT if planned.expect else WriteMode.CREATE,
            expect=planned.expect,
            tags=planned.tags,
        )
        return put.replace(tiers=await self._tiers(planned), source=planned.origin)

    # --------------------------------------------------------------- removing
    async def _remove(self, at: _Survey) -> bool:
        """Remove files that are certainly gone at the source. True if anything was removed."""
        payload = self.job.payload
        gone = mirror.missing(at.existing, self.listing, payload.left_out)
        if not gone or not at.place.lineage:
            return False
        decided = mirror.removal(at.existing, gone)
        self.scan.conflicts += decided.conflicts
        why = mirror.why_kept(
            self.listing,
            single=payload.single,
            keep=payload.keep_removed,
            narrow=mirror.narrower(payload.choice, at.earlier),
            incomplete=payload.incomplete,
        )
        if not why and not payload.confirmed and mirror.too_many(len(decided.paths), len(at.existing.files)):
            why = "so many need a confirmation"
        if why:
            self.scan.keep_reason, self.scan.kept_paths = why, list(decided.paths)
            return False
        removes = [Remove(n.uri, expect=n.hash) for n in decided.gone]
        await self._remove_slices(removes, at)
        shared = [_remark(n, mirror.without_lineage(n.source, at.place.lineage), None) for n in decided.shared]
        for start in range(0, len(shared), REMOVES_PER_COMMIT):
            await self._commit(shared[start : start + REMOVES_PER_COMMIT], at, "removing")
        await self._remove_emptied([n.uri for n in decided.gone], at)
        return bool(removes)

    async def _remove_slices(self, removes: list[Remove], at: _Survey) -> None:
        """Remove in slices. A source file is counted with the last of its entries, in the commit that removes it."""
        path_of = {b.node.uri: path for path, imported in at.existing.files.items() for b in imported}
        last = {path_of[r.uri]: i for i, r in enumerate(removes)}
        for start in range(0, len(removes), REMOVES_PER_COMMIT):
            some = removes[start : start + REMOVES_PER_COMMIT]
            self.done.removed += sum(last[path_of[r.uri]] == start + i for i, r in enumerate(some))
            await self._commit(some, at, f"removing {min(start + REMOVES_PER_COMMIT, len(removes))}/{len(removes)}")

    # -------------------------------------------------------------- finishing
    async def _finish(self, at: _Survey) -> None:
        done, ports = self.done, self.ports
        result = self.scan.result(at.root, done)
        if ports.writer is not None:
            result["model"] = {
                "provider": ports.writer.name,
                "tokens_planned": done.planned,
                "tokens_per_import_max": ports.costs.tokens_per_import_max,
                "calls_planned": done.calls,
                "calls_per_import_max": ports.costs.calls_per_import_max,
                "files_kept_extractive": done.kept,
            }
        ended = UpdateTask(self.job.task_id, TaskStatus.COMPLETED, stage="completed", result=result)
        following = FOLLOW_UP_JOBS if done.written or done.removed or done.moved else ()
        await self.tenant.commit(
            Commit((at.anchor, ended), following, done=self.job.id, cause=self.job.task_id), lane=Lane.BULK
        )


def digests(paths: Iterable[str], source: Source) -> dict[str, str]:
    """Return sha256 by path of readable files. CPU-bound: run it on a compute pool."""
    read = ((path, source.read(path)) for path in paths)
    return {path: hashlib.sha256(data).hexdigest() for path, data in read if data is not None}


def _remark(node: Node, source: dict[str, Any], tags: tuple[str, ...] | None) -> PutFile:
    """Return an operation that changes source or tags; content, chunks and vectors stay."""
    return PutFile(
        node.uri, WriteMode.UPSERT, node.hash, node.size, node.media, tags=tags, expect=node.hash, source=source
    )


async def _discard(job: Job[ImportPayload], upload: Path, ports: Ports) -> None:
    """Delete an upload made for this import, and its metadata file."""
    if job.payload.ours:
        await ports.compute.run(upload.unlink, missing_ok=True)
        await ports.compute.run(upload.with_name(upload.name + UPLOAD_NOTE).unlink, missing_ok=True)


def _batches(paths: Sequence[str], sizes: dict[str, int]) -> Iterator[list[str]]:
    held: list[str] = []
    size = 0
    for path in paths:
        if held and (len(held) == FILES_PER_PLAN or size + sizes[path] > BYTES_PER_PLAN):
            yield held
            held, size = [], 0
        held.append(path)
        size += sizes[path]
    if held:
        yield held
