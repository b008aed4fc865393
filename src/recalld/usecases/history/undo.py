"""Undoes a change by a new commit that can itself be undone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, Move, Op, PutFile, Remove, SetAttributes, Undelete, WriteMode
from recalld.domain.errors import Conflict, Invalid, NotFound
from recalld.domain.history import (
    LogEntry,
    LogFilter,
    MoveBack,
    RemoveCreated,
    RestoreRemoved,
    Retag,
    SkippedChange,
    Step,
    Undone,
    UndoPlan,
    WriteBack,
)
from recalld.domain.snapshot import Version
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.ports.history import Past
from recalld.rules.undo import ERASED, UNDOABLE, addresses_needed, plan_undo
from recalld.usecases.tree.prepare import jobs_after, prepare, put_file

ENTRIES_MAX = 50_000
STEPS_MAX = 5_000
STEPS_PER_COMMIT = 500
"""Steps per commit; a longer undo has several commits."""
TRIES = 4
PAGE = 200
COMMITS_LOOKED_AT = 2_000
PREFIX = "undo:"
BACKGROUND = ("viking://", "enrich", "reown", "enrol", "leave", PREFIX)
"""Causes of background commits, which are not a user's last change."""


@dataclass(frozen=True, slots=True)
class Target:
    """What to undo: the commit of a log entry, or all commits with a cause; neither: the caller's last change."""

    seq: int = 0
    cause: str = ""


async def undo(target: Target, caller: Caller, ports: Ports, *, dry_run: bool) -> Undone:
    """Undo ``target`` for everything unchanged since; later changes stay and are reported.

    Raises ``NotFound`` for a missing entry, ``Conflict`` if nothing can be undone.
    """
    past = ports.history.past(caller)
    if not target.seq and not target.cause:
        target = await last_change(past, caller)
    for _ in range(TRIES):
        entries = await _entries(target, past)
        plan = await _plan(entries, past)
        done = Undone(
            tuple(sorted({e.commit for e in entries})),
            f"{PREFIX}{target.cause or (entries[0].commit if entries else target.seq)}",
            plan,
            0,
        )
        if dry_run:
            return done
        if not plan.steps:
            raise _nothing(target, plan)
        try:
            return await _apply(done, past, caller, ports)
        except Conflict as changed:
            if changed.code != "ABORTED":
                raise
        except NotFound:
            continue  # removed between read and commit: read again
    raise Conflict("the files to undo kept changing", remedy="try again", code="CONFLICT", details={"retryable": True})


async def last_change(past: Past, caller: Caller) -> Target:
    """Return the caller's newest change that is not undone yet, except session messages and job commits. Raises
    ``NotFound`` if there is none among the latest entries."""
    undone: set[str] = set()
    before = looked_at = 0
    while looked_at < COMMITS_LOOKED_AT:
        page = await past.log(LogFilter(ops=UNDOABLE, actor=caller.user), before=before, limit=PAGE)
        for entry in page.entries:
            name = entry.cause if entry.cause.startswith("task_") else str(entry.commit)
            if entry.cause.startswith(PREFIX):
                undone.add(entry.cause.removeprefix(PREFIX))
            elif name not in undone and not entry.cause.startswith(BACKGROUND) and "/sessions/" not in entry.uri:
                return Target(cause=name) if name == entry.cause else Target(seq=entry.commit)
        looked_at += len(page.entries) or PAGE
        before = page.next
        if not before:
            break
    raise NotFound(
        "there is no change of yours to undo",
        remedy="look at the history, and name an entry of it",
        details={"type": "log_entry", "resource": ""},
    )


async def _entries(target: Target, past: Past) -> list[LogEntry]:
    found = await past.entries(commit=target.seq, cause=target.cause, limit=ENTRIES_MAX + 1)
    if not found:
        what = f"entry {target.seq}" if target.seq else f"cause {target.cause[:80]!r}"
        raise NotFound(
            f"Log entry not found: {what}",
            remedy="look at the history for its number",
            details={"type": "log_entry", "resource": what},
        )
    if len(found) > ENTRIES_MAX:
        raise Invalid(
            f"more than {ENTRIES_MAX} changes would have to be undone",
            remedy="remove what was added, or restore a directory as it was at an earlier time",
            code="RESOURCE_EXHAUSTED",
        )
    return [entry for entry in found if entry.op in UNDOABLE]


async def _plan(entries: Sequence[LogEntry], past: Past) -> UndoPlan:
    nodes = tuple(dict.fromkeys(e.node for e in entries))
    now = await past.states(nodes, addresses_needed(entries))
    plan = plan_undo(entries, now.states, now.occupants, now.end)
    if len(plan.steps) > STEPS_MAX:
        raise Invalid(
            f"{len(plan.steps)} entries would have to be written or removed",
            remedy=f"an undo changes at most {STEPS_MAX}; restore directories part by part instead",
            code="RESOURCE_EXHAUSTED",
        )
    return plan


def _nothing(target: Target, plan: UndoPlan) -> Conflict:
    why = (
        "; ".join(f"{k.uri}: {k.reason}" for k in plan.skipped[:3])
        or "it is undone already, or it concerns derived data alone"
    )
    return Conflict(
        f"nothing of {target.cause or f'entry {target.seq}'} can be undone ({why})",
        remedy="look at what is there now, and restore single files from their history",
        code="FAILED_PRECONDITION",
        details={"kept": [{"uri": k.uri, "reason": k.reason} for k in plan.skipped[:100]]},
    )


async def _apply(done: Undone, past: Past, caller: Caller, ports: Ports) -> Undone:
    tenant = ports.ledger.tenant(caller)
    ops, skipped = await _operations(done.plan.steps, past, ports)
    seq = 0
    for some in _slices(ops):
        puts = [op for op in some if isinstance(op, PutFile)]
        seq = (await tenant.commit(Commit(tuple(some), jobs_after(puts), cause=done.cause))).seq
    plan = UndoPlan(done.plan.steps, (*done.plan.skipped, *skipped))
    return Undone(done.of, done.cause, plan, seq)


def _slices(ops: Sequence[Op]) -> Iterator[Sequence[Op]]:
    for start in range(0, len(ops), STEPS_PER_COMMIT):
        yield ops[start : start + STEPS_PER_COMMIT]


async def _operations(steps: Sequence[Step], past: Past, ports: Ports) -> tuple[list[Op], list[SkippedChange]]:
    ops: list[Op] = []
    skipped: list[SkippedChange] = []
    for step in steps:
        match step:
            case RemoveCreated(uri, hash_, since):
                ops.append(Remove(uri, recursive=bool(since), expect="" if since else hash_, unchanged_since=since))
            case RestoreRemoved(uri, node):
                ops.append(Undelete(uri, node))
            case MoveBack(uri, to):
                ops.append(Move(uri, to))
            case Retag(uri, tags, had, source):
                ops.append(SetAttributes(uri, tags, source, expect_tags=had))
            case WriteBack(uri, node, hash_, expect, source):
                try:
                    put = await rewritten(uri, Version(node, hash_), expect, past, ports)
                    ops.append(put.replace(source=source))
                except NotFound:
                    skipped.append(SkippedChange(str(uri), ERASED))
    return ops, skipped


async def rewritten(uri: Uri, version: Version, expect: str, past: Past, ports: Ports) -> PutFile:
    """Return the operation that restores a file's former content; many or large ones are indexed by a job. Raises
    ``NotFound``."""
    data = await past.content(version)
    return await put_file(uri, data, await prepare(uri, data, ports), ports, mode=WriteMode.REPLACE, expect=expect)
