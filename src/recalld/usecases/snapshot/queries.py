"""Reads of snapshots: lists, contents, comparisons and the ignore file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, SetIgnore
from recalld.domain.errors import NotFound
from recalld.domain.snapshot import Change, ChangeType, Files, Snapshot, Version
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.ports.history import Past
from recalld.rules.memory_footer import strip
from recalld.rules.ovgitignore import check_ignore
from recalld.rules.roles import check_governs
from recalld.rules.snapshots import changes, path_of
from recalld.rules.unified_diff import unified_diff

from .tree_reader import LINE_MAX, along, head_of, parent_of, refer, trees_of


async def ignore_of(caller: Caller, ports: Ports) -> str:
    """Return the text, "" if there is none."""
    return await ports.history.past(caller).ignore()


async def set_ignore(text: str, caller: Caller, ports: Ports) -> None:
    """Set the text ("" = none). It applies to the snapshots of all users, so only admins may set it. Raises ``Denied``,
    and ``Invalid`` naming the unsupported line."""
    check_governs(caller, caller.account)
    checked = await ports.compute.run(check_ignore, text)
    await ports.ledger.tenant(caller).commit(Commit((SetIgnore(checked),), cause="snapshot"))


@dataclass(frozen=True, slots=True)
class Compared:
    """Two snapshots and their differences; ``old`` None: before the first one. ``text``: a unified diff."""

    old: Snapshot | None
    new: Snapshot
    changes: tuple[Change, ...]
    text: str = ""


async def diff(since: str, to: str, uri: Uri, caller: Caller, ports: Ports, *, raw: bool) -> Compared:
    """Return the diff of one file. ``since`` "": the snapshot before ``to``; ``raw`` False: without memory footers.
    Raises ``NotFound`` if neither has it; ``Invalid`` for anything but UTF-8 and for large files."""
    past = ports.history.past(caller)
    old, new = await _pair(since, to, past)
    before, after = await trees_of([old, new], past, (uri,))
    path = path_of(uri)
    change = Change(path, before.get(path), after.get(path))
    if change.before is None and change.after is None:
        raise not_there(uri, new.oid)
    one = await _bytes(change.before, past, ports, raw)
    other = await _bytes(change.after, past, ports, raw)
    return Compared(old, new, (change,), await ports.compute.run(unified_diff, one, other, path))


async def diff_paths(since: str, to: str, under: Sequence[Uri], caller: Caller, ports: Ports) -> Compared:
    """Return every path at and below ``under`` (none = everywhere) whose content differs, in path order."""
    past = ports.history.past(caller)
    old, new = await _pair(since, to, past)
    before, after = await trees_of([old, new], past, under)
    return Compared(old, new, tuple(await ports.compute.run(changes, before, after)))


async def _pair(since: str, to: str, past: Past) -> tuple[Snapshot | None, Snapshot]:
    new = await refer(to, past)
    return (await refer(since, past) if since.strip() else await parent_of(new, past)), new


async def _bytes(version: Version | None, past: Past, ports: Ports, raw: bool) -> bytes | None:
    if version is None:
        return None
    data = await past.content(version)
    return data if raw else await ports.compute.run(without_trailer, data)


def without_trailer(data: bytes) -> bytes:
    """Return a text without its memory footer; other bytes unchanged."""
    try:
        return strip(data.decode("utf-8")).encode()
    except UnicodeDecodeError:
        return data


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
