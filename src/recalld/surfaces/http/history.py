"""/log, /fs/history and /content/diff: list changes, compare, restore, undo."""

from __future__ import annotations

from typing import Any

from recalld.domain.errors import Invalid
from recalld.domain.history import (
    FileVersion,
    LogEntry,
    MoveBack,
    RemoveCreated,
    RestoreRemoved,
    Retag,
    Undone,
    WriteBack,
)
from recalld.rules.openviking_json import iso
from recalld.rules.snapshots import uri_of
from recalld.surfaces.http.endpoint import Deadline, Endpoint
from recalld.surfaces.http.models.history import (
    ContentDiffQuery,
    ContentDiffResult,
    HistoryQuery,
    HistoryRestoreBody,
    HistoryRestoreResult,
    HistoryResult,
    LogQuery,
    LogResult,
    PurgeBody,
    PurgeResult,
    UndoBody,
    UndoResult,
)
from recalld.surfaces.http.request import ApiRequest

_API = "/api/v1"


async def log(request: ApiRequest, query: LogQuery) -> dict[str, Any]:
    """List changes, newest first: who, when, what, and why."""
    ops = (query.op,) if query.op else ()
    page = await request.workspace.history.log(
        before=query.before, after=query.after, limit=query.limit, under=query.under, ops=ops, actor=query.actor
    )
    entries = [_entry(e, page.sentences.get(e.node) if "/memories/" in e.uri else None) for e in page.entries]
    return {"entries": entries, "next": page.next or None}


def _entry(entry: LogEntry, sentence: str | None) -> dict[str, Any]:
    shown = {
        "seq": entry.seq,
        "commit": entry.commit,
        "at": iso(entry.at),
        "actor": entry.actor,
        "op": entry.op,
        "uri": entry.uri,
        "before": entry.before,
        "after": entry.after,
        "cause": entry.cause,
    }
    if "from" in entry.detail:
        shown["from"] = entry.detail["from"]
    if sentence:
        shown["sentence"] = sentence
    return shown


async def undo(request: ApiRequest, body: UndoBody) -> dict[str, Any]:
    """Undo a change with a new change. Whatever was changed since is left unchanged and named."""
    if sum(bool(one) for one in (body.seq, body.cause, body.archive_uri)) > 1:
        raise Invalid("give one of seq, cause and archive_uri", details={"field": "seq"})
    cause = str(request.workspace.resolve(body.archive_uri)) if body.archive_uri else body.cause
    done = await request.workspace.history.undo(seq=body.seq or 0, cause=cause, dry_run=body.dry_run)
    if body.wait and not body.dry_run:
        await request.workspace.wait(timeout_s=body.timeout)
    return undone(done)


async def purge(request: ApiRequest, body: PurgeBody) -> dict[str, Any]:
    """Erase for good, in every account, what was removed or replaced. Root only. It works on a full disk."""
    done = await request.workspace.history.purge(body.older_than)
    return {"contents": done.contents, "free_bytes": done.free_bytes}


def undone(done: Undone) -> dict[str, Any]:
    """The result of an undo, by kind of change."""
    shown: dict[str, Any] = {
        "dry_run": not done.seq,
        "commits": list(done.of),
        "cause": done.cause,
        "seq": done.seq or None,
        **{kind: list[Any]() for kind in ("written", "removed", "restored", "moved", "tagged")},
        "kept": [{"uri": one.uri, "reason": one.reason} for one in done.plan.skipped],
    }
    for step in done.plan.steps:
        match step:
            case WriteBack():
                shown["written"].append(str(step.uri))
            case RemoveCreated():
                shown["removed"].append(str(step.uri))
            case RestoreRemoved():
                shown["restored"].append(str(step.uri))
            case MoveBack():
                shown["moved"].append({"from": str(step.uri), "to": str(step.to)})
            case Retag():
                shown["tagged"].append(str(step.uri))
    return shown


async def versions(request: ApiRequest, query: HistoryQuery) -> dict[str, Any]:
    """List the versions of a file, newest first, with and without snapshots."""
    found = await request.workspace.history.versions(query.uri, before=query.before, limit=query.limit)
    more = found[-1].seq if len(found) == query.limit else None
    return {"uri": str(request.expand(query.uri)), "versions": [_version(one) for one in found], "next": more}


def _version(one: FileVersion) -> dict[str, Any]:
    return {
        "seq": one.seq,
        "at": iso(one.at),
        "actor": one.actor,
        "op": one.op,
        "uri": one.uri,
        "hash": one.hash or None,
        "size": one.size,
        "cause": one.cause,
        "kept": one.kept,
    }


async def diff(request: ApiRequest, query: ContentDiffQuery) -> dict[str, Any]:
    """Compare a file at two points in time, as a unified diff."""
    found = await request.workspace.history.diff(query.uri, since=query.from_, to=query.to, raw=query.raw)
    return {
        "uri": str(request.expand(query.uri)),
        "from": found.old.seq if found.old else None,
        "to": found.new.seq if found.new else None,
        "diff_text": found.text,
    }


async def restore(request: ApiRequest, body: HistoryRestoreBody) -> dict[str, Any]:
    """Restore a file, or every file below a directory, as of a point in time. The restored state is a new change."""
    done = await request.workspace.history.restore(body.uri, body.at, dry_run=body.dry_run)
    return {
        "uri": str(request.expand(body.uri)),
        "dry_run": body.dry_run,
        "written": [uri_of(one.path) for one in done.write],
        "removed": [uri_of(one.path) for one in done.delete],
    }


ENDPOINTS = (
    Endpoint("GET", f"{_API}/log", log, LogResult, "List changes"),
    Endpoint("POST", f"{_API}/log/undo", undo, UndoResult, "Undo a change"),
    Endpoint("POST", f"{_API}/log/purge", purge, PurgeResult, "Erase removed content", Deadline.NONE),
    Endpoint("GET", f"{_API}/fs/history", versions, HistoryResult, "List a file's versions"),
    Endpoint("POST", f"{_API}/fs/history/restore", restore, HistoryRestoreResult, "Restore a file or directory"),
    Endpoint("GET", f"{_API}/content/diff", diff, ContentDiffResult, "Compare a file at two points in time"),
)
