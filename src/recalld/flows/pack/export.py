"""Make a pack: entry by entry into a file beside the store, its table of contents last."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from recalld.domain.caller import Caller, Role
from recalld.domain.errors import Conflict, Denied
from recalld.domain.pack import DenseIndex, Manifest, PackEntry, PackRoot
from recalld.domain.uri import Uri
from recalld.ports.archive import ArchiveWriter
from recalld.ports.doors import Doors
from recalld.rules.pack import (
    BACKUP,
    DENSE,
    FILES,
    MANIFEST,
    META,
    RECORDS,
    check_exportable,
    content_hash,
    manifest_json,
)

from .gather import Item, gather

ABSTRACTS_PER_CALL = 64


@dataclass(frozen=True, slots=True)
class Packed:
    """A finished pack: where it lies until it is sent, what to call it, how large it is."""

    path: Path
    name: str
    size: int
    entries: int


async def export(root: Uri, caller: Caller, doors: Doors, *, vectors: bool = False) -> Packed:
    """Pack the directory ``root``. The caller of this deletes the file. Raises ``Invalid``, ``NotFound``, ``Denied``."""
    check_exportable(root)
    return await _pack(PackRoot(root.name, root), caller, doors, vectors)


async def backup(caller: Caller, doors: Doors, *, vectors: bool = False) -> Packed:
    """Pack everything of the caller's account, all users included. Raises ``Denied`` for a plain user."""
    must_administer(caller)
    return await _pack(PackRoot(BACKUP, Uri()), replace(caller, role=Role.ROOT, peer=""), doors, vectors)


def must_administer(caller: Caller) -> None:
    """A backup holds every user's tree. Raises ``Denied``."""
    if caller.role is Role.USER:
        raise Denied(
            "a backup of an account is for its administrators", remedy="export your own tree, or ask an administrator"
        )


async def _pack(root: PackRoot, caller: Caller, doors: Doors, vectors: bool) -> Packed:
    if vectors and doors.embedder is None:
        raise Conflict(
            "this store has no vectors",
            remedy="export without include_vectors",
            code="FAILED_PRECONDITION",
            details={"field": "include_vectors"},
        )
    path = doors.uploads / f"pack_{doors.clock.token()}.ovpack.part"
    writer = await doors.compute.run(doors.archives.create, path)
    try:
        making = _Making(root, writer, doors)
        async for item in gather(root.uri, caller, doors):
            await making.take(item)
        size = await making.finish(vectors)
    except BaseException:
        await doors.compute.run(writer.abandon)  # cancelled too: a file that nobody will fetch must not stay
        raise
    return Packed(path, f"{root.name}.ovpack", size, len(making.entries))


@dataclass(slots=True)
class _Making:
    """A pack under way."""

    root: PackRoot
    writer: ArchiveWriter
    doors: Doors
    entries: list[PackEntry] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)
    abstracts: list[str] = field(default_factory=list)

    async def take(self, item: Item) -> None:
        """Put one entry in."""
        if item.record:
            self.records += item.record.splitlines(keepends=True)
            self.abstracts += item.abstracts
        if item.data is None:
            self.entries += [PackEntry(item.path, True)] if item.path else []
        else:
            self.entries.append(await self.doors.compute.run(self._add, item.path, item.data))

    def _add(self, path: str, data: bytes) -> PackEntry:
        self.writer.add(f"{self.root.name}/{FILES}/{path}", data)
        return PackEntry(path, False, len(data), hashlib.sha256(data).hexdigest())

    async def finish(self, vectors: bool) -> int:
        """Add the index and the manifest; the pack's size."""
        rows = await self._vectors() if vectors else None
        return await self.doors.compute.run(self._close, rows)

    def _close(self, rows: Sequence[bytes] | None) -> int:
        meta, embedder = f"{self.root.name}/{META}", self.doors.embedder
        lines = b"".join(self.records)
        self.writer.add(f"{meta}/{RECORDS}", lines)
        dense = None
        if rows is not None and embedder is not None:
            self.writer.stream(f"{meta}/{DENSE}", _each(rows))
            dense = DenseIndex(len(self.records), embedder.width, embedder.fingerprint)
        scopes = tuple(sorted({e.path.split("/")[0] for e in self.entries})) if not self.root.uri.parts else ()
        manifest = Manifest(
            self.root,
            tuple(self.entries),
            content_hash(self.entries),
            len(self.records),
            hashlib.sha256(lines).hexdigest(),
            dense,
            scopes,
        )
        self.writer.add(f"{meta}/{MANIFEST}", manifest_json(manifest))
        return self.writer.finish()

    async def _vectors(self) -> list[bytes]:
        """One row a record: of the text it stands for."""
        embedder, rows = self.doors.embedder, []
        if embedder is None:
            return []
        step = min(embedder.batch_max, ABSTRACTS_PER_CALL)
        for start in range(0, len(self.abstracts), step):
            made = await embedder.embed(self.abstracts[start : start + step])
            rows.append(made.astype("<f4").tobytes())
        return rows


def _each(rows: Sequence[bytes]) -> Iterator[bytes]:
    yield from rows
