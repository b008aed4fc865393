"""One file of an import, read and laid out: what has to be written, and what of its former self has to go."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from recalld.domain.document import Document
from recalld.domain.node import Entry, Node
from recalld.domain.uri import Uri
from recalld.ports.doors import Doors
from recalld.ports.source import Source
from recalld.rules.names import legal, legal_path, stem
from recalld.rules.sections import Part, layout


@dataclass(frozen=True, slots=True)
class Planned:
    """One node to write. ``origin`` is kept with it: which file of the import, which part of it."""

    uri: Uri
    data: bytes
    document: Document
    origin: dict[str, object]


@dataclass(frozen=True, slots=True)
class FilePlan:
    """What one file comes to. Nothing to write and nothing to remove: it is as it was."""

    path: str
    writes: tuple[Planned, ...] = ()
    removes: tuple[Uri, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Present:
    """What an earlier import left at the root: by source file the nodes made of it and the hash they were made from."""

    nodes: Mapping[str, tuple[Node, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Present:
        """Group a walk's files by the source file they name."""
        grouped: dict[str, list[Node]] = {}
        for entry in entries:
            path = entry.node.source.get("path")
            if path and not entry.node.is_dir:
                grouped.setdefault(str(path), []).append(entry.node)
        return cls({k: tuple(v) for k, v in grouped.items()})

    def unchanged(self, path: str, digest: str) -> bool:
        """True if every part of that file is still there, made from these bytes."""
        nodes = self.nodes.get(path, ())
        return bool(nodes) and all(
            n.source.get("sha256") == digest and n.source.get("parts") == len(nodes) for n in nodes
        )


def plan_file(
    path: str,
    root: Uri,
    single: bool,
    split: bool,
    folders: frozenset[str],
    present: Present,
    source: Source,
    doors: Doors,
) -> FilePlan:
    """Read, parse and lay out one file. Computes: run it where that may happen."""
    data = source.read(path)
    if data is None:
        return FilePlan(path, warnings=(f"{path}: it vanished during the import",))
    digest = hashlib.sha256(data).hexdigest()
    if present.unchanged(path, digest):
        return FilePlan(path)
    name = legal(posixpath.basename(path))
    document = doors.parser.parse(name, data)
    parts = layout(name, document) if split else (Part(name, (), document.text),)
    folder = root if single else _below(root, posixpath.dirname(path))
    if len(parts) > 1 and not single:
        folder = folder / _directory(name, posixpath.dirname(path), folders)
    origins: list[dict[str, object]] = [
        {"path": path, "sha256": digest, "part": i + 1, "parts": len(parts), "headings": list(p.heading_path)}
        for i, p in enumerate(parts)
    ]
    if len(parts) == 1:
        writes: tuple[Planned, ...] = (Planned(folder / name, data, document, origins[0]),)
    else:
        writes = tuple(_part(folder, p, document, o, doors) for p, o in zip(parts, origins, strict=True))
    kept = {w.uri for w in writes}
    removes = tuple(n.uri for n in present.nodes.get(path, ()) if n.uri not in kept)
    return FilePlan(path, writes, removes, tuple(f"{path}: {w}" for w in document.warnings))


def _below(root: Uri, folder: str) -> Uri:
    clean = legal_path(folder)
    return Uri((*root.parts, *clean.split("/"))) if clean else root


def _directory(name: str, folder: str, folders: frozenset[str]) -> str:
    """``guide.md`` becomes ``guide/``, unless the import brings a directory of that name itself."""
    bare = stem(name)
    return name.replace(".", "_") if posixpath.join(folder, bare) in folders else bare


def _part(folder: Uri, part: Part, whole: Document, origin: dict[str, object], doors: Doors) -> Planned:
    """A section is a document of its own that knows whose it is: its title is the way to it."""
    way = part.heading_path if whole.title in part.heading_path else (whole.title, *part.heading_path)
    document = doors.parser.parse(part.name, part.text.encode())
    return Planned(folder / part.name, part.text.encode(), replace(document, title=" › ".join(way)), origin)
