"""One file of an import, read and laid out: what has to be written, and what of its former self has to go."""

from __future__ import annotations

import hashlib
import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from recalld.domain.document import Chunk, Document
from recalld.domain.errors import Denied, Invalid
from recalld.domain.node import Entry, Node
from recalld.domain.uri import Uri
from recalld.ports.doors import Doors
from recalld.ports.source import Source
from recalld.rules.chunks import chunks_of_file
from recalld.rules.names import legal, legal_path, stem
from recalld.rules.sections import Part, layout


@dataclass(frozen=True, slots=True)
class Place:
    """Where an import goes and how. ``stems``: per path without its ending, how many files and folders have it: a
    directory of sections takes that name only where nobody else has it."""

    root: Uri
    single: bool
    split: bool
    stems: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Uri, *, single: bool, split: bool, paths: Iterable[str]) -> Place:
        """``paths``: every file of the import."""
        stems: Counter[str] = Counter()
        folders: set[str] = set()
        for path in paths:
            folder, name = posixpath.split(path)
            stems[posixpath.join(folder, stem(name))] += 1
            while folder and folder not in folders:
                folders.add(folder)
                folder = posixpath.dirname(folder)
        stems.update(folders)
        return cls(root, single, split, stems)

    def folder_of(self, path: str, name: str, parts: int) -> Uri:
        """The directory a file (or, if ``parts`` > 1, its sections) will lie in. Raises ``Invalid`` past the limits of
        an address."""
        if self.single:
            return self.root
        above, bare = posixpath.dirname(path), stem(name)
        folder = _below(self.root, above)
        if parts > 1:
            alone = self.stems.get(posixpath.join(above, stem(posixpath.basename(path))), 0) < 2
            folder = folder / (bare if alone else name.replace(".", "_"))
        # What is stored must be readable: the limits of an address hold for imports too.
        return Uri.parse(str(folder / name)).parent


@dataclass(frozen=True, slots=True)
class Planned:
    """One node to write, all computed. ``origin`` is kept with it: which file of the import, which part of it."""

    uri: Uri
    data: bytes
    hash: str
    document: Document
    chunks: tuple[Chunk, ...]
    origin: dict[str, object]


@dataclass(frozen=True, slots=True)
class FilePlan:
    """What one file comes to: ``removes`` first, then ``writes``. Neither: it is as it was."""

    path: str
    writes: tuple[Planned, ...] = ()
    removes: tuple[Uri, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Present:
    """What lies at the root: by source file the nodes an earlier import made of it and the hash they were made from;
    ``entries``: how many entries each directory holds."""

    nodes: Mapping[str, tuple[Node, ...]] = field(default_factory=dict)
    entries: Mapping[Uri, int] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Present:
        """Group a walk's files by the source file they name."""
        grouped: dict[str, list[Node]] = {}
        held: Counter[Uri] = Counter()
        for entry in entries:
            held[entry.node.uri.parent] += 1
            path = entry.node.source.get("path")
            if path and not entry.node.is_dir:
                grouped.setdefault(str(path), []).append(entry.node)
        return cls({k: tuple(v) for k, v in grouped.items()}, held)

    def unchanged(self, path: str, digest: str) -> bool:
        """True if every part of that file is still there, made from these bytes."""
        nodes = self.nodes.get(path, ())
        return bool(nodes) and all(
            n.source.get("sha256") == digest and n.source.get("parts") == len(nodes) for n in nodes
        )

    def outdated(self, path: str, kept: set[Uri], root: Uri) -> tuple[Uri, ...]:
        """What is left of a file's former self: its nodes but for ``kept``, or their directory where it held nothing else."""
        gone = [n.uri for n in self.nodes.get(path, ()) if n.uri not in kept]
        folders = Counter(u.parent for u in gone)
        emptied = {
            f
            for f, count in folders.items()
            if f != root and count == self.entries.get(f) and not any(k.parent.under(f) for k in kept)
        }
        return (*sorted(emptied, key=str), *(u for u in gone if u.parent not in emptied))


def plan_file(path: str, place: Place, present: Present, source: Source, doors: Doors) -> FilePlan:
    """Read, parse, lay out and cut one file. Computes: run it where that may happen."""
    data = source.read(path)
    if data is None:
        return FilePlan(path, warnings=(f"{path}: it vanished during the import",))
    digest = hashlib.sha256(data).hexdigest()
    if present.unchanged(path, digest):
        return FilePlan(path)
    name = legal(posixpath.basename(path))
    document = doors.parser.parse(name, data)
    parts = layout(name, document) if place.split else (Part(name, (), document.text),)
    try:
        folder = place.folder_of(path, name, len(parts))
    except (Invalid, Denied) as bad:
        return FilePlan(path, warnings=(f"{path}: left out: {bad.message}",))
    origins: list[dict[str, object]] = [
        {"path": path, "sha256": digest, "part": i + 1, "parts": len(parts), "headings": list(p.heading_path)}
        for i, p in enumerate(parts)
    ]
    if len(parts) == 1:
        uri = folder / name
        writes: tuple[Planned, ...] = (Planned(uri, data, digest, document, chunks_of_file(uri, document), origins[0]),)
    else:
        writes = tuple(_part(folder, p, document, o, doors) for p, o in zip(parts, origins, strict=True))
    removes = present.outdated(path, {w.uri for w in writes}, place.root)
    return FilePlan(path, writes, removes, tuple(f"{path}: {w}" for w in document.warnings))


def _below(root: Uri, folder: str) -> Uri:
    clean = legal_path(folder)
    return Uri((*root.parts, *clean.split("/"))) if clean else root


def _part(folder: Uri, part: Part, whole: Document, origin: dict[str, object], doors: Doors) -> Planned:
    """A section is a document of its own that knows whose it is: its title is the way to it."""
    way = part.heading_path if whole.title in part.heading_path else (whole.title, *part.heading_path)
    data, uri = part.text.encode(), folder / part.name
    document = replace(doors.parser.parse(part.name, data), title=" › ".join(way))
    return Planned(uri, data, hashlib.sha256(data).hexdigest(), document, chunks_of_file(uri, document), origin)
