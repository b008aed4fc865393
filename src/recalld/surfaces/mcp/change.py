"""Tools that change something, show changes and undo them. They answer in plain text."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any
from uuid import uuid4

from recalld.app.skills import SkillOperations
from recalld.domain.errors import Invalid
from recalld.domain.history import MoveBack, RemoveCreated, RestoreRemoved, Retag, Step, WriteBack
from recalld.domain.skill import StoredSkill
from recalld.rules.openviking_json import iso, unread_times
from recalld.rules.snapshots import uri_of

from . import arguments as args
from .tool_context import ToolContext, not_implemented

_REMOTE = re.compile(r"(?:https?|ssh|git|tos)://|git@", re.IGNORECASE)


async def remember(context: ToolContext, params: args.Remember) -> str:
    """Store messages of a conversation. Memories are extracted from them in the background."""
    unread = unread_times(params.messages)
    if unread:
        raise Invalid(
            f"created_at {unread[0]!r} is not a time",
            remedy="write 2026-05-01, 2026-05-01T10:00:00Z or epoch seconds, or leave it out",
            details={"field": "created_at"},
        )
    session_id = f"mcp-store-{uuid4().hex[:12]}"
    message = await context.workspace.sessions.append(session_id, params.messages)
    result = await context.workspace.sessions.commit(session_id)
    return f"Stored {message.added} message(s) in session {session_id}; memories follow in task {result.task_id}."


async def write(context: ToolContext, params: args.Write) -> str:
    """Write a text file. A missing file is created."""
    result = await context.workspace.write(
        params.uri, params.content, mode=params.mode, wait=params.wait, timeout_s=params.timeout
    )
    verb = "Created" if result.created else "Updated" if result.updated else "Unchanged:"
    return f"{verb} {params.uri} ({result.bytes_written} bytes)."


async def edit(context: ToolContext, params: args.Edit) -> str:
    """Replace a text in a file. The old text must occur exactly once, unless replace_all is set. Line endings may differ."""
    _, times = await context.workspace.edit(
        params.uri,
        params.old_string,
        params.new_string,
        replace_all=params.replace_all,
        wait=params.wait,
        timeout_s=params.timeout,
    )
    return f"Edited {params.uri} ({times} replacement(s))."


async def add_resource(context: ToolContext, params: args.AddResource) -> str:
    """Import a file, a folder or a zip."""
    if params.watch_interval > 0:
        raise not_implemented("watching a source", "add it again when it has changed")
    if params.add_type:
        raise not_implemented(f"add_type {params.add_type!r}", "leave it out")
    if params.temp_file_id and context.open_upload is not None:
        path, name = await context.open_upload(params.temp_file_id)
        return await _start_import(context, params, path, name)
    if not params.path:
        raise Invalid("path or temp_file_id is needed", remedy="name a file", details={"field": "path"})
    if _REMOTE.match(params.path):
        raise not_implemented("fetching web pages and repositories", "download it and add the file")
    if context.upload_ticket is not None:
        return (
            "This server does not read your disk. Send the file (a folder as one zip) to this address, which is good once, for "
            "ten minutes, and needs no key; it is imported at once:\n"
            f"  curl -F {shlex.quote(f'file=@{params.path}')} {shlex.quote(context.upload_ticket(_import_options(params)))}\n"
            "Or upload it to /api/v1/resources/temp_upload and call add_resource with the temp_file_id it answers."
        )
    return await _start_import(context, params, Path(params.path), "")


async def list_watches(context: ToolContext, params: args.Nothing) -> str:
    """List watched sources."""
    return "No watches: watching sources is not implemented yet."


async def cancel_watch(context: ToolContext, params: args.CancelWatch) -> str:
    """Stop watching a source."""
    raise not_implemented("watching a source", "there is nothing to cancel")


async def forget(context: ToolContext, params: args.Forget) -> str:
    """Remove a file, or with recursive a directory."""
    await context.workspace.stat(params.uri)
    await context.workspace.rm(params.uri, recursive=params.recursive)
    return f"Removed {params.uri}."


def _import_options(params: args.AddResource) -> dict[str, Any]:
    """The options of the import."""
    tags = params.tags.split(",") if isinstance(params.tags, str) else params.tags or ()
    return {
        "to": params.to,
        "parent": params.parent,
        "tags": [tag.strip() for tag in tags if tag.strip()],
        "origin": str((params.args or {}).get("origin") or ""),
    }


async def _start_import(context: ToolContext, params: args.AddResource, path: Path, name: str) -> str:
    result = await context.workspace.add(
        path, name=name, keep_source=context.open_upload is None, **_import_options(params)
    )
    return f"Adding {result.root_uri} in the background (task {result.task_id})."


_UPLOAD = re.compile(r"(?:upload|shared)_[0-9A-Za-z_.-]+")
_UPLOAD_FIRST = (
    "This server does not read your disk. Send the text of the SKILL.md as data; or, for a skill with files beside it,\n"
    "upload it first:\n"
    "  POST /api/v1/resources/temp_upload as multipart/form-data with the field file (the folder as one zip),\n"
    "then call add_skill with the temp_file_id it answers as path."
)


async def add_skill(context: ToolContext, params: args.AddSkill) -> str:
    """Add a skill: the text of a SKILL.md as data, or a folder, zip or file as path. Of several skills in one path, skills
    names those to add; list_only lists them and adds nothing.
    """
    skills = context.workspace.skills
    if params.data and params.path:
        raise Invalid("data and path were both given", remedy="give one of them", details={"field": "path"})
    if params.data:
        if params.list_only:
            return await _validated(skills, params.data)
        return _summary([await skills.add(params.data, target_uri=params.target_uri)])
    if not params.path:
        raise Invalid("data or path is needed", remedy="send the text of a SKILL.md", details={"field": "data"})
    if _REMOTE.match(params.path):
        raise not_implemented("fetching skills from repositories", "download them and add the folder")
    return await _from_path(context, skills, params)


async def _from_path(context: ToolContext, skills: SkillOperations, params: args.AddSkill) -> str:
    path, name = Path(params.path), ""
    if context.open_upload is not None:
        if not _UPLOAD.fullmatch(params.path):
            return _UPLOAD_FIRST
        path, name = await context.open_upload(params.path)
    chosen = [params.skills] if isinstance(params.skills, str) else params.skills or ()
    found = await skills.packages(path, name, chosen=chosen)
    if params.list_only:
        rows = [f"- [{at or '.'}] {await _validated(skills, package.text)}" for at, package in found.items()]
        return "\n".join([f"Found {len(rows)} skill(s):", *rows])
    # All are checked before any is stored: from a folder with a broken skill nothing is added.
    for package in found.values():
        await skills.usable(package)
    return _summary([await skills.store(package, target_uri=params.target_uri) for package in found.values()])


async def _validated(skills: SkillOperations, text: str) -> str:
    facts, findings = await skills.validate(text)
    if facts is None:
        return "cannot be used: " + "; ".join(f.message for f in findings if f.error)
    return f"{facts.name}: {facts.description}"


def _summary(stored: list[StoredSkill]) -> str:
    lines = [
        f"{'Added' if one.created else 'Replaced'} {one.skill.uri} ({one.auxiliary_files} file(s) beside SKILL.md)."
        for one in stored
    ]
    return "\n".join([*lines, *(f"Left out {reason}" for one in stored for reason in one.skipped)])


SHOWN = 50


async def history(context: ToolContext, params: args.History) -> str:
    """List the versions of a file, or without uri the latest changes. Use it before undo or restore."""
    if params.uri:
        versions = await context.workspace.history.versions(params.uri, before=params.before, limit=params.limit + 1)
        more = versions[params.limit - 1].seq if len(versions) > params.limit else 0
        versions = versions[: params.limit]
        lines = [f"{v.seq}  {iso(v.at)}  {v.actor}  {v.op}  {v.size} bytes" for v in versions]
        head = f"Versions of {params.uri}, newest first (number, time, user, change):"
        return "\n".join([head, *lines, *_more(more)])
    page = await context.workspace.history.log(before=params.before, limit=params.limit)
    lines = [f"{e.commit}  {iso(e.at)}  {e.actor}  {e.op}  {e.uri}" for e in page.entries]
    return "\n".join(["Changes, newest first (number, time, user, change, address):", *lines, *_more(page.next)])


def _more(before: int) -> list[str]:
    return [f"[there are more: continue with before={before}]"] if before else []


async def undo(context: ToolContext, params: args.Undo) -> str:
    """Undo a change by its number (seq) or cause; by default this user's last one. dry_run only shows the plan."""
    done = await context.workspace.history.undo(seq=params.seq or 0, cause=params.cause, dry_run=params.dry_run)
    lines = [_line(step) for step in done.plan.steps[:SHOWN]]
    if len(done.plan.steps) > SHOWN:
        lines.append(f"and {len(done.plan.steps) - SHOWN} more")
    lines += [f"kept {one.uri}: {one.reason}" for one in done.plan.skipped[:SHOWN]]
    head = "Would be done:" if params.dry_run else f"Undone (undo the cause {done.cause} to have it back):"
    return "\n".join([head, *lines])


def _line(step: Step) -> str:
    match step:
        case WriteBack():
            return f"wrote {step.uri} as it was"
        case RemoveCreated():
            return f"removed {step.uri}"
        case RestoreRemoved():
            return f"restored {step.uri}"
        case MoveBack():
            return f"moved {step.uri} back to {step.to}"
        case Retag():
            return f"gave {step.uri} its former tags"


async def restore(context: ToolContext, params: args.Restore) -> str:
    """Restore a file, or all files below a directory, as of an age (10m), a time, or a number of its history."""
    done = await context.workspace.history.restore(params.uri, params.at)
    lines = [f"wrote {uri_of(one.path)}" for one in done.write] + [f"removed {uri_of(one.path)}" for one in done.delete]
    if not lines:
        return f"{params.uri} is as it was then."
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "\n".join([f"Restored {params.uri}:", *lines[:SHOWN], *more])
