"""Tools that change something. They answer in plain text."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any
from uuid import uuid4

from recalld.domain.errors import Invalid
from recalld.rules.openviking_json import unread_times

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
