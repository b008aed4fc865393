"""Writes a pack entry by entry; the manifest is written last, from the actual entries."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from recalld.domain.pack import DenseIndex, Manifest, PackEntry, PackRoot
from recalld.ports.archive import ArchiveWriter
from recalld.rules.pack_format import DENSE, FILES, MANIFEST, META, RECORDS, content_hash, manifest_json


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
