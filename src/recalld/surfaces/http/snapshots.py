"""/snapshot: record the tree, list and compare snapshots, restore one."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from recalld.domain.errors import Invalid
from recalld.domain.snapshot import Change, Restored, Snapshot
from recalld.rules.snapshots import uri_of
from recalld.surfaces.http.endpoint import Deadline, Endpoint
from recalld.surfaces.http.models.snapshot import (
    PATHS_MAX,
    CommitBody,
    CommitResult,
    DiffPathsQuery,
    DiffPathsResult,
    DiffQuery,
    DiffResult,
    IgnoreBody,
    IgnoreResult,
    LogQuery,
    RestoreBody,
    RestoreResult,
    ShowQuery,
    SnapshotShown,
    VersionsQuery,
    VersionsResult,
)
from recalld.surfaces.http.packs import BYTES, attachment
from recalld.surfaces.http.request import ApiRequest

_AT = "/api/v1/snapshot"


async def commit(request: ApiRequest, body: CommitBody) -> dict[str, Any]:
    """Record the tree, or ``paths``. ``noop``: nothing has changed there."""
    result = await request.workspace.snapshots.commit(
        body.message,
        paths=body.paths or (),
        branch=body.branch,
        author_name=body.author_name or "",
        author_email=body.author_email or "",
    )
    return {
        "result": "created" if result.created else "noop",
        "commit_oid": result.snapshot.oid if result.snapshot else None,
        "changed": result.changed,
        "ignored": result.ignored,
    }


async def log(request: ApiRequest, query: LogQuery) -> list[dict[str, Any]]:
    """List the snapshots of a branch, newest first; with ``paths`` only those that changed something there.

    Next page: ``before``.
    """
    found = await request.workspace.snapshots.log(
        branch=query.branch, limit=query.limit + 1, paths=_paths(request), before=query.before
    )
    return [_shown(one) for one in request.cut(found, query.limit)]


async def show(request: ApiRequest, query: ShowQuery) -> Any:
    """Return a snapshot; with ``path`` the bytes of a file in it."""
    if query.path is None:
        return _shown(await request.workspace.snapshots.show(query.target_ref))
    snapshot, data = await request.workspace.snapshots.show_file(query.target_ref, query.path, raw=query.raw)
    headers = {"X-Snapshot-Oid": snapshot.oid, "X-Snapshot-Size": str(len(data))}
    name = query.path.rstrip("/").rpartition("/")[2] or "file"
    return Response(data, media_type=BYTES, headers=headers | attachment(name))


async def diff(request: ApiRequest, query: DiffQuery) -> dict[str, Any]:
    """Compare a file in two snapshots, as a unified diff."""
    found = await request.workspace.snapshots.diff(query.path, since=query.from_ or "", to=query.to, raw=query.raw)
    (change,) = found.changes
    return {
        "path": uri_of(change.path),
        "from_commit": found.old.oid if found.old else None,
        "to_commit": found.new.oid,
        "change_type": change.type.value,
        "diff_text": found.text,
    }


async def diff_paths(request: ApiRequest, query: DiffPathsQuery) -> dict[str, Any]:
    """List the files that differ between two snapshots."""
    found = await request.workspace.snapshots.diff_paths(since=query.from_ or "", to=query.to, paths=_paths(request))
    return {
        "from_commit": found.old.oid if found.old else None,
        "to_commit": found.new.oid,
        "paths": [
            {
                "path": uri_of(change.path),
                "change_type": change.type.value,
                "old_oid": change.before.hash if change.before else None,
                "new_oid": change.after.hash if change.after else None,
            }
            for change in found.changes
        ],
    }


async def versions(request: ApiRequest, query: VersionsQuery) -> dict[str, Any]:
    """List the snapshots in which a file changed, newest first."""
    found = await request.workspace.snapshots.versions(
        query.path, branch=query.branch, limit=query.limit + 1, before=query.before
    )
    found = request.cut(found, query.limit)
    return {
        "path": uri_of(found[0][1].path),
        "versions": [
            {
                "commit": _shown(one),
                "change_type": change.type.value,
                "oid": change.after.hash if change.after else None,
            }
            for one, change in found
        ],
    }


async def restore(request: ApiRequest, body: RestoreBody) -> dict[str, Any]:
    """Restore the tree, or ``project_dir``, from a snapshot with a new change. The branch gets a new snapshot."""
    result = await request.workspace.snapshots.restore(
        body.source_commit,
        project_dir=body.project_dir or "",
        branch=body.branch,
        dry_run=body.dry_run,
        message=body.message or "",
        author_name=body.author_name or "",
        author_email=body.author_email or "",
    )
    plan = result.plan
    head = plan.head.oid if plan.head else None
    if body.dry_run or result.snapshot is None:
        shown = {"result": "dry_run" if body.dry_run else "noop", "head": head, "source": plan.source.oid}
        return shown | {"diff": _to_do(result)} if body.dry_run else shown
    return {
        "result": "applied",
        "new_commit_oid": result.snapshot.oid,
        "source_commit": plan.source.oid,
        "parent_commit": result.snapshot.parent or None,
        "written": len(plan.write),
        "deleted": len(plan.delete),
        "unchanged": len(plan.unchanged),
        "written_paths": _addresses(plan.write),
        "deleted_paths": _addresses(plan.delete),
        "task_id": None,
    }


async def read_ignore(request: ApiRequest) -> str:
    """Return the account's .ovgitignore ("" if there is none)."""
    return await request.workspace.snapshots.read_ignore()


async def write_ignore(request: ApiRequest, body: IgnoreBody) -> dict[str, Any]:
    """Write the account's .ovgitignore: patterns as in a .gitignore, without ``!`` and backslashes, for what snapshots
    leave out."""
    await request.workspace.snapshots.write_ignore(body.content)
    return {"size": len(body.content.encode())}


async def delete_ignore(request: ApiRequest) -> dict[str, Any]:
    """Remove the account's .ovgitignore. Removing what does not exist succeeds."""
    await request.workspace.snapshots.write_ignore("")
    return {"size": 0}


def _paths(request: ApiRequest) -> list[str]:
    """The parameter ``paths``, which may be repeated."""
    found = [path for path in request.query_params.getlist("paths") if path.strip()]
    if len(found) > PATHS_MAX:
        raise Invalid(f"{len(found)} paths", remedy=f"at most {PATHS_MAX}", details={"field": "paths"})
    return found


def _shown(one: Snapshot) -> dict[str, Any]:
    who = {
        "name": one.author.name,
        "email": one.author.email,
        "time_seconds": int(one.at),
        "tz_offset_seconds": 0,
    }
    return {
        "oid": one.oid,
        "tree": one.tree,
        "parents": [one.parent] if one.parent else [],
        "author": who,
        "committer": dict(who),
        "message": one.message,
    }


def _to_do(result: Restored) -> dict[str, Any]:
    write = [{"path": uri_of(c.path), "oid": c.after.hash} for c in result.plan.write if c.after]
    return {
        "to_write": write,
        "to_delete": _addresses(result.plan.delete),
        "unchanged": [uri_of(path) for path in result.plan.unchanged],
    }


def _addresses(changes: tuple[Change, ...]) -> list[str]:
    return [uri_of(change.path) for change in changes]


ENDPOINTS = (
    Endpoint("POST", f"{_AT}/commit", commit, CommitResult, "Record a snapshot"),
    Endpoint("GET", f"{_AT}/log", log, list[SnapshotShown], "List snapshots"),
    Endpoint("GET", f"{_AT}/show", show, SnapshotShown, "Show a snapshot, or a file in it"),
    Endpoint("GET", f"{_AT}/diff", diff, DiffResult, "Compare a file in two snapshots"),
    Endpoint("GET", f"{_AT}/diff-paths", diff_paths, DiffPathsResult, "List files that differ"),
    Endpoint("GET", f"{_AT}/versions", versions, VersionsResult, "List a file's versions"),
    Endpoint("POST", f"{_AT}/restore", restore, RestoreResult, "Restore a snapshot", Deadline.NONE),
    Endpoint("GET", f"{_AT}/ignore", read_ignore, str, "Read .ovgitignore"),
    Endpoint("PUT", f"{_AT}/ignore", write_ignore, IgnoreResult, "Write .ovgitignore"),
    Endpoint("DELETE", f"{_AT}/ignore", delete_ignore, IgnoreResult, "Remove .ovgitignore"),
)
