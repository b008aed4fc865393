"""Compares two snapshots: the paths that differ, or the diff of one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recalld.domain.caller import Caller
from recalld.domain.snapshot import Change, Snapshot, Version
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.ports.history import Past
from recalld.rules.memory_footer import strip
from recalld.rules.snapshots import changes, path_of
from recalld.rules.unified_diff import unified_diff

from .queries import not_there
from .tree_reader import parent_of, refer, trees_of


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
