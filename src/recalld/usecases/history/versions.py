"""History of one file: its versions, its content at a moment, differences, and restore."""

from __future__ import annotations

from dataclasses import dataclass

from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid, NotFound
from recalld.domain.history import FileVersion
from recalld.domain.snapshot import Change, Files, Version
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.ports.history import Past
from recalld.ports.ledger import Tree
from recalld.rules.address import check_write
from recalld.rules.snapshots import changes, path_of
from recalld.rules.unified_diff import unified_diff
from recalld.usecases.snapshot.queries import without_trailer
from recalld.usecases.snapshot.restore import FILES_MAX, apply_changes

LOOKED_AT_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Difference:
    """A file at two moments (None: it did not exist) and their unified diff."""

    old: FileVersion | None
    new: FileVersion | None
    text: str


@dataclass(frozen=True, slots=True)
class Changes:
    """The files a restore writes and removes."""

    write: tuple[Change, ...]
    delete: tuple[Change, ...]


async def versions(uri: Uri, before: int, limit: int, caller: Caller, ports: Ports) -> list[FileVersion]:
    """Return the versions of the file at an address, newest first. Raises ``NotFound`` if the log has none."""
    found = await ports.history.past(caller).versions(uri, before=before, limit=limit)
    if not found and not before:
        raise no_history(uri)
    return found


async def version_at(uri: Uri, seq: int, past: Past) -> FileVersion | None:
    """Return the version at an address after log entry ``seq``; None: no file."""
    newest: dict[int, FileVersion] = {}
    for version in await past.versions(uri, before=seq + 1, limit=LOOKED_AT_MAX):
        newest.setdefault(version.node, version)
    held = [v for v in newest.values() if v.hash]
    lay = await past.placed([v.node for v in held], seq)
    here = [v for v in held if lay.get(v.node) == uri]
    return max(here, key=lambda v: v.seq, default=None)


async def content_at(uri: Uri, seq: int, caller: Caller, ports: Ports) -> bytes:
    """Return a file's bytes after log entry ``seq``. Raises ``NotFound``."""
    past = ports.history.past(caller)
    version = await version_at(uri, seq, past)
    found = await _passed_by(uri, seq, past) if version is None else Version(version.node, version.hash)
    if found is None:
        raise _not_there(uri, seq)
    return await past.content(found)


async def _passed_by(uri: Uri, seq: int, past: Past) -> Version | None:
    """Return a file that was moved to the address and away again. No log entry of the address names it, so the log is
    replayed, and only if the address has any history."""
    if not await past.versions(uri, limit=1):
        return None
    trees: dict[int, Files] = {}
    await past.walk((seq,), (uri,), lambda point, files: trees.update({point: files}))
    return trees[seq].get(path_of(uri))


async def diff(uri: Uri, since: int, to: int, caller: Caller, ports: Ports, *, raw: bool) -> Difference:
    """Return the difference of a file between two log positions. Raises ``NotFound`` if it existed at neither;
    ``Invalid`` for anything but UTF-8 and for large files."""
    past = ports.history.past(caller)
    old, new = await version_at(uri, since, past), await version_at(uri, to, past)
    if old is None and new is None:
        raise no_history(uri)
    before, after = await _bytes(old, past, ports, raw), await _bytes(new, past, ports, raw)
    return Difference(old, new, await ports.compute.run(unified_diff, before, after, "/".join(uri.parts)))


async def _bytes(version: FileVersion | None, past: Past, ports: Ports, raw: bool) -> bytes | None:
    if version is None:
        return None
    data = await past.content(Version(version.node, version.hash))
    return data if raw else await ports.compute.run(without_trailer, data)


def no_history(uri: Uri) -> NotFound:
    """Return the error for an address without visible history."""
    return NotFound(
        f"File not found: {uri} has no history",
        remedy="check the address; history is kept for storage.history_retention_days",
        details={"type": "file", "resource": str(uri)},
    )


async def restore(uri: Uri, seq: int, caller: Caller, ports: Ports, *, dry_run: bool) -> Changes:
    """Restore the file at an address, or every file below it, to the state after log entry ``seq``, by new writes.

    Raises ``NotFound`` if nothing existed then, ``Conflict`` if a file changes meanwhile, ``Denied`` and ``Invalid``
    for unwritable addresses.
    """
    past, tenant = ports.history.past(caller), ports.ledger.tenant(caller)
    found = await _of_file(uri, seq, past, tenant) or await _of_directory(uri, seq, past, ports)
    if found is None:
        raise _not_there(uri, seq)
    for change in (*found.write, *found.delete):
        check_write(Uri(tuple(change.path.split("/"))))
    if len(found.write) + len(found.delete) > FILES_MAX:
        raise Invalid(
            f"{len(found.write) + len(found.delete)} files would have to be written or removed",
            remedy=f"restore directories of at most {FILES_MAX} changed files, part by part",
            code="RESOURCE_EXHAUSTED",
        )
    if not dry_run:
        await apply_changes(found.write, found.delete, uri, f"restore:{seq}", past, tenant, ports)
    return found


async def _of_file(uri: Uri, seq: int, past: Past, tree: Tree) -> Changes | None:
    """Return the changes of a file; None if the address is or was a directory, or never existed."""
    old = await version_at(uri, seq, past)
    if old is None:
        return None
    try:
        now = await tree.stat(uri)
    except NotFound:
        now = None
    if now is not None and now.is_dir:
        raise Invalid(f"{uri} is a directory now", remedy="move it away first", details={"uri": str(uri)})
    before = Version(now.id, now.hash) if now is not None else None
    change = Change(path_of(uri), before, Version(old.node, old.hash))
    return Changes(() if before is not None and before.hash == old.hash else (change,), ())


async def _of_directory(uri: Uri, seq: int, past: Past, ports: Ports) -> Changes | None:
    trees: dict[int, Files] = {}
    end = await past.end()
    await past.walk((seq, end), (uri,), lambda point, files: trees.update({point: files}))
    if not trees[seq]:
        return None
    found = await ports.compute.run(changes, trees[end], trees[seq])
    return Changes(tuple(c for c in found if c.after is not None), tuple(c for c in found if c.after is None))


def _not_there(uri: Uri, seq: int) -> NotFound:
    return NotFound(
        f"File not found: {uri} at {seq}",
        remedy="its history says when it was there",
        details={"type": "file", "resource": str(uri)},
    )
