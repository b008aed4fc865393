"""Reads snapshots: a branch's log, one snapshot, a file in a snapshot, the changes of one path."""

from __future__ import annotations

from collections.abc import Sequence

from recalld.domain.caller import Caller
from recalld.domain.errors import NotFound
from recalld.domain.snapshot import Change, ChangeType, Files, Snapshot
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.ports.history import Past
from recalld.rules.snapshots import changes, path_of

from .tree_reader import LINE_MAX, along, head_of, refer, trees_of


async def log(
    branch: str, under: Sequence[Uri], limit: int, before: str, caller: Caller, ports: Ports
) -> list[Snapshot]:
    """Return a branch's snapshots, newest first, those before the oid ``before`` ("" = all); with ``under`` only those
    that changed something there, among the last ``LINE_MAX``. Raises ``NotFound`` for a branch without snapshots."""
    past = ports.history.past(caller)
    await head_of(branch, past)
    until = await _until(before, past)
    if not under:
        return await past.line(branch, until=until, limit=limit)
    touched: list[Snapshot] = []

    def seen(one: Snapshot, before: Files, after: Files) -> None:
        if changes(before, after):
            touched.append(one)

    await along(await past.line(branch, until=until, limit=LINE_MAX), past, under, seen)
    return touched[::-1][:limit]


async def versions(
    uri: Uri, branch: str, limit: int, before: str, caller: Caller, ports: Ports
) -> list[tuple[Snapshot, Change]]:
    """Return the changes of one file, newest first, in snapshots before the oid ``before`` ("" = all). Raises
    ``NotFound`` if no snapshot has it."""
    past = ports.history.past(caller)
    await head_of(branch, past)
    path = path_of(uri)
    found: list[tuple[Snapshot, Change]] = []

    def seen(one: Snapshot, before: Files, after: Files) -> None:
        change = Change(path, before.get(path), after.get(path))
        if (change.before or change.after) and change.type is not ChangeType.UNCHANGED:
            found.append((one, change))

    await along(await past.line(branch, until=await _until(before, past), limit=LINE_MAX), past, (uri,), seen)
    if not found:
        raise not_there(uri, f"branch {branch}")
    return found[::-1][:limit]


async def _until(before: str, past: Past) -> int | None:
    return (await past.snapshot(before)).seq - 1 if before else None


async def show(ref: str, caller: Caller, ports: Ports) -> Snapshot:
    """Return one snapshot. Raises ``NotFound``."""
    return await refer(ref, ports.history.past(caller))


async def show_file(ref: str, uri: Uri, caller: Caller, ports: Ports) -> tuple[Snapshot, bytes]:
    """Return a file's content in a snapshot. Raises ``NotFound``."""
    past = ports.history.past(caller)
    snapshot = await refer(ref, past)
    return snapshot, await _content(snapshot, uri, past)


async def _content(snapshot: Snapshot, uri: Uri, past: Past) -> bytes:
    (files,) = await trees_of([snapshot], past, (uri,))
    version = files.get(path_of(uri))
    if version is None:
        raise not_there(uri, snapshot.oid)
    return await past.content(version)


def not_there(uri: Uri, where: str) -> NotFound:
    """Return the error for a path that a snapshot does not have."""
    return NotFound(
        f"File not found: {uri} in {where}",
        remedy="`snapshot_versions` says which snapshots have it",
        details={"type": "file", "resource": str(uri)},
    )
