"""Tools that change something, each answering in plain text."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any
from uuid import uuid4

from recalld.domain.errors import Invalid
from recalld.rules.openviking_json import unread_times

from . import arguments as args
from .desk import Desk, later

_REMOTE = re.compile(r"(?:https?|ssh|git|tos)://|git@", re.IGNORECASE)


async def remember(desk: Desk, asked: args.Remember) -> str:
    """Keep messages of a conversation; memories are made of them in the background."""
    unread = unread_times(asked.messages)
    if unread:
        raise Invalid(
            f"created_at {unread[0]!r} is not a time",
            remedy="write 2026-05-01, 2026-05-01T10:00:00Z or epoch seconds, or leave it out",
            details={"field": "created_at"},
        )
    session_id = f"mcp-store-{uuid4().hex[:12]}"
    said = await desk.workspace.append(session_id, asked.messages)
    did = await desk.workspace.session_commit(session_id)
    return f"Stored {said.added} message(s) in session {session_id}; memories follow in task {did.task_id}."


async def write(desk: Desk, asked: args.Write) -> str:
    """Write a text file; a missing one is made."""
    did = await desk.workspace.write(
        asked.uri, asked.content, mode=asked.mode, wait=asked.wait, timeout_s=asked.timeout
    )
    verb = "Created" if did.created else "Updated" if did.updated else "Unchanged:"
    return f"{verb} {asked.uri} ({did.bytes_written} bytes)."


async def edit(desk: Desk, asked: args.Edit) -> str:
    """Replace a text in a file by another. The old text must occur once, unless replace_all; line ends may differ."""
    _, times = await desk.workspace.edit(
        asked.uri,
        asked.old_string,
        asked.new_string,
        replace_all=asked.replace_all,
        wait=asked.wait,
        timeout_s=asked.timeout,
    )
    return f"Edited {asked.uri} ({times} replacement(s))."


async def add_resource(desk: Desk, asked: args.AddResource) -> str:
    """Import a file, a folder or a zip."""
    if asked.watch_interval > 0:
        raise later("watching a source", "add it again when it has changed")
    if asked.add_type:
        raise later(f"add_type {asked.add_type!r}", "leave it out")
    if asked.temp_file_id and desk.opened is not None:
        path, name = await desk.opened(asked.temp_file_id)
        return await _added(desk, asked, path, name)
    if not asked.path:
        raise Invalid("path or temp_file_id is needed", remedy="name a file", details={"field": "path"})
    if _REMOTE.match(asked.path):
        raise later("fetching web pages and repositories", "download it and add the file")
    if desk.upload_ticket is not None:
        return (
            "This server does not read your disk. Send the file (a folder as one zip) to this address, which is good once, for "
            "ten minutes, and needs no key; it is imported at once:\n"
            f"  curl -F {shlex.quote(f'file=@{asked.path}')} {shlex.quote(desk.upload_ticket(_import_options(asked)))}\n"
            "Or upload it to /api/v1/resources/temp_upload and call add_resource with the temp_file_id it answers."
        )
    return await _added(desk, asked, Path(asked.path), "")


async def list_watches(desk: Desk, asked: args.Nothing) -> str:
    """List watched sources."""
    return "No watches: watching sources comes with a later release."


async def cancel_watch(desk: Desk, asked: args.CancelWatch) -> str:
    """Stop watching a source."""
    raise later("watching a source", "there is nothing to cancel")


async def forget(desk: Desk, asked: args.Forget) -> str:
    """Remove a file, or with recursive a directory."""
    await desk.workspace.stat(asked.uri)
    await desk.workspace.rm(asked.uri, recursive=asked.recursive)
    return f"Removed {asked.uri}."


def _import_options(asked: args.AddResource) -> dict[str, Any]:
    """How it is imported."""
    tags = asked.tags.split(",") if isinstance(asked.tags, str) else asked.tags or ()
    return {
        "to": asked.to,
        "parent": asked.parent,
        "tags": [tag.strip() for tag in tags if tag.strip()],
        "origin": str((asked.args or {}).get("origin") or ""),
    }


async def _added(desk: Desk, asked: args.AddResource, path: Path, name: str) -> str:
    did = await desk.workspace.add(path, name=name, keep_source=desk.opened is None, **_import_options(asked))
    return f"Adding {did.root_uri} in the background (task {did.task_id})."
