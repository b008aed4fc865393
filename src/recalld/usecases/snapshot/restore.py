"""Restores files of a snapshot by writing them again; a branch never goes back.

It is safe against a crash at any time. Everything to be overwritten or deleted is in a snapshot first: the branch's
newest, or one created before the first change. Then come ordinary commits. An interrupted restore leaves some files
unrestored and none half-written; repeating it does what is left. The new snapshot comes last.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, PutFile, Remove, WriteMode
from recalld.domain.errors import Conflict, Denied, Invalid, NotFound, RecalldError, Upstream
from recalld.domain.job import Lane
from recalld.domain.snapshot import Change, Files, Restored, RestorePlan
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.ports.history import Past
from recalld.ports.ledger import Commits, Tenant
from recalld.rules.address import check_remove
from recalld.rules.ovgitignore import ignoring
from recalld.rules.snapshots import changes
from recalld.usecases.tree.prepare import FOLLOW_UP_JOBS, jobs_after, prepare, put_file

from .create import Note, mark, present, record
from .tree_reader import refer, trees_of

FILES_MAX = 5_000
"""Files one restore writes or deletes."""
WEIGHT_MAX = 48
"""Files and chunks in one commit: some ten milliseconds of the writer."""
BYTES_MAX = 2 << 20
REMOVED_AT_ONCE = 200


@dataclass(slots=True)
class _Tally:
    """Progress of a restore."""

    written: int = 0
    deleted: int = 0


async def restore(ref: str, project: Uri, note: Note, caller: Caller, ports: Ports, *, dry_run: bool) -> Restored:
    """Make everything at and below ``project`` equal to snapshot ``ref``; files that the present ``.ovgitignore``
    leaves out are not touched. Raises ``Upstream`` (``RESTORE_WRITEBACK_PARTIAL``) if it could not be finished."""
    past = ports.history.past(caller)
    plan, unsaved = await _plan(ref, project, note, past, ports)
    todo = len(plan.write) + len(plan.delete)
    if dry_run or not todo:
        return Restored(plan, None)
    if todo > FILES_MAX:
        raise Invalid(
            f"{todo} files would have to be written or deleted",
            remedy=f"restore directories of at most {FILES_MAX} changed files, part by part (project_dir)",
            code="RESOURCE_EXHAUSTED",
        )
    if unsaved:
        before = replace(note, message=f"Before restoring {plan.source.oid[:12]}")
        plan = replace(plan, head=(await record(before, (), caller, ports)).snapshot)
    await apply_changes(plan.write, plan.delete, project, "snapshot_restore", past, ports.ledger.tenant(caller), ports)
    return Restored(plan, (await mark(note, caller, ports)).snapshot)


async def _plan(ref: str, project: Uri, note: Note, past: Past, ports: Ports) -> tuple[RestorePlan, bool]:
    """Return the changes, and whether they would touch something that the branch's head does not have."""
    source = await refer(ref, past)
    head = await past.head(note.branch)
    now = await present(note, head, (), past, ports)
    wanted, saved, living = await trees_of([source, head, now], past, (project,))
    ignored = ignoring(now.ignore)

    def think() -> tuple[RestorePlan, bool]:
        selected = {path: version for path, version in wanted.items() if not ignored(path)}
        found = changes(living, selected)
        unchanged = tuple(sorted(path for path in selected if _same(path, selected, living)))
        write = tuple(c for c in found if c.after is not None)
        delete = tuple(c for c in found if c.after is None)
        unsaved = any(c.before is not None and not _same(c.path, saved, living) for c in found)
        return RestorePlan(source, head, write, delete, unchanged), unsaved

    return await ports.compute.run(think)


def _same(path: str, one: Files, other: Files) -> bool:
    a, b = one.get(path), other.get(path)
    return a is not None and b is not None and a.hash == b.hash


async def apply_changes(
    write: Sequence[Change],
    delete: Sequence[Change],
    project: Uri,
    cause: str,
    past: Past,
    tenant: Tenant,
    ports: Ports,
) -> None:
    """Write and remove files at and below ``project``, except those changed since they were read. Raises ``Upstream``
    (``RESTORE_WRITEBACK_PARTIAL``) if it could not be finished."""
    tally = _Tally()
    try:
        gone = [_uri(change) for change in delete]
        await _remove(delete, cause, tally, tenant)
        # Before the first write: a file may take the name of a directory that has just become empty.
        # Remove directories that became empty; fixed directories stay.
        for directory in sorted({uri.parent for uri in gone}, key=lambda uri: -len(uri.parts)):
            here = directory
            while here.under(project) and here != project and await _removed_if_empty(here, cause, tenant):
                here = here.parent
        async for puts in _batches(write, past, ports):
            await tenant.commit(Commit(tuple(puts), jobs_after(puts), cause=cause), lane=Lane.BULK)
            tally.written += len(puts)
    except RecalldError as stopped:
        if not tally.written and not tally.deleted:
            raise
        raise Upstream(
            f"the restore stopped after {tally.written} of {len(write)} files written and {tally.deleted} of "
            f"{len(delete)} deleted: {stopped.message}",
            remedy="restore again: it continues where this one stopped",
            code="RESTORE_WRITEBACK_PARTIAL",
            details={"written": tally.written, "deleted": tally.deleted, "cause": stopped.code},
        ) from stopped


async def _remove(delete: Sequence[Change], cause: str, tally: _Tally, commits: Commits) -> None:
    """Remove files, except those changed since they were read."""
    for start in range(0, len(delete), REMOVED_AT_ONCE):
        some = delete[start : start + REMOVED_AT_ONCE]
        ops = tuple(Remove(_uri(c), expect=c.before.hash) for c in some if c.before is not None)
        await commits.commit(Commit(ops, FOLLOW_UP_JOBS, cause=cause), lane=Lane.BULK)
        tally.deleted += len(ops)


async def _removed_if_empty(directory: Uri, cause: str, tenant: Tenant) -> bool:
    try:
        check_remove(directory)
        if await tenant.list(directory, limit=1, hidden=True):
            return False
        await tenant.commit(Commit((Remove(directory),), FOLLOW_UP_JOBS, cause=cause), lane=Lane.BULK)
    except (Conflict, Denied, NotFound):
        return False  # it has a new entry, is a root, or was removed already
    return True


async def _batches(write: Sequence[Change], past: Past, ports: Ports) -> AsyncIterator[list[PutFile]]:
    held: list[PutFile] = []
    weight = size = 0
    for change in write:
        put = await _put(change, past, ports)
        more = 1 + len(put.chunks or ())
        if held and (weight + more > WEIGHT_MAX or size + put.size > BYTES_MAX):
            yield held
            held, weight, size = [], 0, 0
        held.append(put)
        weight, size = weight + more, size + put.size
    if held:
        yield held


async def _put(change: Change, past: Past, ports: Ports) -> PutFile:
    """Return the operation that writes a file of the snapshot, indexed like any write and conditional on the present
    content."""
    assert change.after is not None
    uri = _uri(change)
    data = await past.content(change.after)
    prepared = await prepare(uri, data, ports)
    if change.before is None:
        return await put_file(uri, data, prepared, ports, mode=WriteMode.CREATE)
    return await put_file(uri, data, prepared, ports, mode=WriteMode.REPLACE, expect=change.before.hash)


def _uri(change: Change) -> Uri:
    return Uri(tuple(change.path.split("/")))
