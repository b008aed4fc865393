"""Exports a tree as a pack, or one file of it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from recalld.domain.caller import Caller, Role
from recalld.domain.errors import Conflict, Denied, Invalid, NotFound
from recalld.domain.node import Kind, Node
from recalld.domain.pack import DenseIndex, Manifest, PackEntry, PackRoot
from recalld.domain.policy import WRITE_BYTES_MAX, ZIP_ENTRIES_MAX
from recalld.domain.uri import DEPTH_MAX, Uri
from recalld.ports.archive import ArchiveWriter
from recalld.ports.bundle import Ports
from recalld.rules.address import SIDECARS, session_of
from recalld.rules.pack_format import (
    BACKUP,
    DENSE,
    FILES,
    MANIFEST,
    META,
    RECORDS,
    check_exportable,
    content_hash,
    is_private,
    manifest_json,
)
from recalld.rules.pack_mapping import NO_PLACE, record_json
from recalld.rules.sidecar import render
from recalld.usecases.tree.read import read_bytes
from recalld.usecases.tree.read import walk as walk_views
from recalld.usecases.tree.session_files import is_view, view_text


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file's name, size in bytes, and bytes."""

    name: str
    size: int
    pieces: AsyncIterator[bytes]


async def fetch(uri: Uri, caller: Caller, ports: Ports) -> Fetched:
    """Stream a file, a message, a sidecar or a session's view. Raises ``NotFound``; ``Invalid`` for a directory;
    ``Corrupt`` here if the bytes are missing, and in place of the last piece if their hash differs."""
    if not is_view(uri) and uri.name not in SIDECARS:
        node = await ports.ledger.tenant(caller).stat(uri)
        if node.is_dir:
            raise Invalid(
                f"{uri} is a directory",
                remedy="list it, or export it as a pack",
                details={"expected": "file", "actual": "directory", "uri": str(uri)},
            )
        if node.kind is Kind.FILE and node.size > WRITE_BYTES_MAX:
            pieces = ports.blobs.pieces(node.hash)
            first = await anext(pieces)  # a missing file is reported before the response begins
            return Fetched(uri.name, node.size, _after(first, pieces))
    data = await read_bytes(uri, caller, ports)
    return Fetched(uri.name, len(data), _alone(data))


async def _after(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece


async def _alone(data: bytes) -> AsyncIterator[bytes]:
    yield data


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a new pack: ``data`` None for a directory; ``record``: its index lines (b"" = none), ``abstracts``:
    their texts."""

    path: str
    data: bytes | None = None
    record: bytes = b""
    abstracts: tuple[str, ...] = ()


async def collect(root: Uri, caller: Caller, ports: Ports) -> AsyncIterator[Item]:
    """Yield everything below ``root`` in pre-order, one file's bytes at a time. Entries that vanish meanwhile are left
    out; private values are included for a whole account only. Raises ``NotFound``, ``Invalid`` for a file or for more
    entries than a pack may have."""
    tenant = ports.ledger.tenant(caller)
    top = await tenant.stat(root)
    if not top.is_dir:
        raise Invalid(f"{root} is a file", remedy="export its directory, or download it", details={"field": "uri"})
    entries = await tenant.walk(root, depth_max=DEPTH_MAX, nodes_max=ZIP_ENTRIES_MAX + 1, hidden=True)
    if len(entries) > ZIP_ENTRIES_MAX:
        raise Invalid(
            f"{root} holds more than {ZIP_ENTRIES_MAX} entries",
            remedy="export its parts one by one",
            details={"field": "uri"},
        )
    seen_paths: set[str] = set()
    for node in (top, *(e.node for e in entries)):
        if root.parts and is_private(node.uri):
            continue
        try:
            async for item in _items(node, root, caller, ports):
                # A session's view may also list stored files: the first one wins.
                if item.path not in seen_paths or not item.path:
                    seen_paths.add(item.path)
                    yield item
        except NotFound:
            continue  # removed after listing


async def _items(node: Node, root: Uri, caller: Caller, ports: Ports) -> AsyncIterator[Item]:
    uri, path = node.uri, node.uri.relative_to(root)
    if not node.is_dir:
        if uri.name not in NO_PLACE and not (session_of(uri) and uri.parts[4:5] == ("messages",)):
            data = await ports.ledger.tenant(caller).read(uri)
            yield Item(path, data, record_json(path, node, 2, node.abstract), (node.abstract or uri.name,))
        return
    if session_of(uri):
        async for item in _session_items(node, root, caller, ports):
            yield item
        return
    tiers = await ports.ledger.tenant(caller).tiers(uri)
    texts = (tiers.abstract, tiers.overview) if tiers is not None else ("",)
    record = b"".join(record_json(path, node, level, text) for level, text in enumerate(texts))
    yield Item(path, None, record, tuple(t or uri.name for t in texts))
    if tiers is not None:
        for name, level in SIDECARS.items():
            yield Item(f"{path}/{name}" if path else name, render(uri, level, tiers, 0, pending=False).encode())


async def _session_items(node: Node, root: Uri, caller: Caller, ports: Ports) -> AsyncIterator[Item]:
    """Yield a session as its views; its directory of messages is their source and not traversed."""
    uri = node.uri
    yield Item(uri.relative_to(root))
    if len(uri.parts) != 4:
        return
    who = replace(caller, user=uri.parts[1])
    tenant = ports.ledger.tenant(who)
    for entry in await walk_views(uri, who, ports, depth=DEPTH_MAX, limit=ZIP_ENTRIES_MAX, hidden=True):
        view = entry.node.uri
        if not is_view(view) or entry.node.id:
            continue  # a stored file of the session, visited by the traversal itself
        path = view.relative_to(root)
        yield Item(path) if entry.node.is_dir else Item(path, (await view_text(view, tenant)).encode())


@dataclass(slots=True)
class PackWriter:
    """Synchronous, as the archive is: use it on a thread."""

    root: PackRoot
    writer: ArchiveWriter
    entries: list[PackEntry] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)

    def directory(self, path: str) -> None:
        """Add a directory below the root ("" = the root itself, which is not listed)."""
        if path:
            self.entries.append(PackEntry(path, True))

    def file(self, path: str, data: bytes) -> None:
        """Add a file."""
        self.writer.add(f"{self.root.name}/{FILES}/{path}", data)
        self.entries.append(PackEntry(path, False, len(data), hashlib.sha256(data).hexdigest()))

    def record(self, line: bytes) -> None:
        """Add an index record."""
        self.records.append(line)

    def close(self, rows: Iterable[bytes] = (), dense: DenseIndex | None = None) -> int:
        """Add index, vectors and manifest; return the pack's size."""
        meta, lines = f"{self.root.name}/{META}", b"".join(self.records)
        self.writer.add(f"{meta}/{RECORDS}", lines)
        if dense is not None:
            self.writer.stream(f"{meta}/{DENSE}", _each(rows))
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


def _each(rows: Iterable[bytes]) -> Iterator[bytes]:
    yield from rows


ABSTRACTS_PER_CALL = 64


@dataclass(frozen=True, slots=True)
class Packed:
    """A finished pack: its temporary file, file name and size."""

    path: Path
    name: str
    size: int
    entries: int


async def export(root: Uri, caller: Caller, ports: Ports, *, vectors: bool = False) -> Packed:
    """Pack the directory ``root``. The caller deletes the file. Raises ``Invalid``, ``NotFound``, ``Denied``."""
    check_exportable(root)
    return await _pack(PackRoot(root.name, root), caller, ports, vectors)


async def backup(caller: Caller, ports: Ports, *, vectors: bool = False) -> Packed:
    """Pack the caller's whole account with all users. Raises ``Denied`` for plain users."""
    must_administer(caller)
    return await _pack(PackRoot(BACKUP, Uri()), replace(caller, role=Role.ROOT, peer=""), ports, vectors)


def must_administer(caller: Caller) -> None:
    """Check that the caller may read every user's tree. Raises ``Denied``."""
    if caller.role is Role.USER:
        raise Denied(
            "a backup of an account is for its administrators", remedy="export your own tree, or ask an administrator"
        )


async def _pack(root: PackRoot, caller: Caller, ports: Ports, vectors: bool) -> Packed:
    if vectors and not ports.embedders:
        raise Conflict(
            "this store has no vectors",
            remedy="export without include_vectors",
            code="FAILED_PRECONDITION",
            details={"field": "include_vectors"},
        )
    path = ports.uploads / f"pack_{ports.clock.token()}.ovpack.part"
    writer = await ports.compute.run(ports.archives.create, path)
    try:
        maker, abstracts = PackWriter(root, writer), list[str]()
        async for item in collect(root.uri, caller, ports):
            await ports.compute.run(_take, maker, item)
            abstracts += item.abstracts
        rows, dense = await _vectors(abstracts, ports) if vectors else ([], None)
        size = await ports.compute.run(maker.close, rows, dense)
    except BaseException:
        await ports.compute.run(writer.abandon)  # also on cancellation: nothing would delete the file
        raise
    return Packed(path, f"{root.name}.ovpack", size, len(maker.entries))


def _take(maker: PackWriter, item: Item) -> None:
    if item.data is None:
        maker.directory(item.path)
    else:
        maker.file(item.path, item.data)
    for line in item.record.splitlines(keepends=True):
        maker.record(line)


async def _vectors(abstracts: list[str], ports: Ports) -> tuple[list[bytes], DenseIndex]:
    """Return one row per record, of its text: the first model's, which is at hand."""
    embedder = ports.embedders[0]
    rows: list[bytes] = []
    step = min(embedder.batch_max, ABSTRACTS_PER_CALL)
    for start in range(0, len(abstracts), step):
        embedded = await embedder.embed(abstracts[start : start + step])
        rows.append(embedded.astype("<f4").tobytes())
    return rows, DenseIndex(len(abstracts), embedder.width, embedder.fingerprint)
