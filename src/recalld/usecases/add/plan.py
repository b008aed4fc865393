"""Plans one file of an import: parsed, split, with the nodes to write and the earlier nodes to remove."""

from __future__ import annotations

import hashlib
import posixpath
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from recalld.domain.document import Chunk, Document
from recalld.domain.errors import Denied, Invalid
from recalld.domain.node import Node
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.ports.source import Source
from recalld.rules.chunks import chunks_of_file
from recalld.rules.names import legal, legal_path, stem
from recalld.rules.sections import Part, layout
from recalld.rules.tags import merged
from recalld.rules.titles import title_of_part

from .existing_files import ExistingFiles, ImportedFile, lineages
from .mirror import FileConflict


@dataclass(frozen=True, slots=True)
class Place:
    """Target and options of an import. ``stems``: number of files and folders per path without suffix; a directory of
    sections takes that name only if it is free. ``lineage``: the origin as files record it. ``exact``: the single file
    of this import is ``root`` itself."""

    root: Uri
    single: bool
    split: bool
    stems: Mapping[str, int] = field(default_factory=dict)
    lineage: str = ""
    tags: tuple[str, ...] = ()
    append_tags: bool = False
    taken: Mapping[str, str] = field(default_factory=dict)
    exact: bool = False

    @classmethod
    def of(cls, root: Uri, *, single: bool, split: bool, paths: Iterable[str], **more: Any) -> Place:
        """Create a place. ``paths``: every file of the import. ``more``: the other fields."""
        paths = tuple(paths)
        stems: Counter[str] = Counter()
        folders: set[str] = set()
        for path in paths:
            folder, name = posixpath.split(path)
            stems[posixpath.join(folder, stem(name))] += 1
            while folder and folder not in folders:
                folders.add(folder)
                folder = posixpath.dirname(folder)
        stems.update(folders)
        return cls(root, single, split, stems, taken=_taken(paths), **more)

    def tagged(self, former: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return the new tags of a node with these tags; None leaves them."""
        if not self.tags:
            return None
        return merged(former, self.tags, append=self.append_tags)

    def folder_of(self, path: str, name: str, parts: int) -> Uri:
        """Return the directory of a file or, if ``parts`` > 1, of its sections. Raises ``Invalid`` past the limits of
        an address."""
        if self.exact:
            return self.root.parent
        if self.single:
            return self.root
        above, bare = posixpath.dirname(path), stem(name)
        folder = _below(self.root, above)
        if parts > 1:
            alone = self.stems.get(posixpath.join(above, stem(posixpath.basename(path))), 0) < 2
            folder = folder / (bare if alone else name.replace(".", "_"))
        # Stored nodes must be addressable, so the limits of an address apply to imports.
        return Uri.parse(str(folder / name)).parent


def case_twins(paths: Iterable[str]) -> list[str]:
    """Return a note for each path that differs from another only in case: both are imported, and on many systems they
    would be one file."""
    first: dict[str, str] = {}
    return [
        f"{p}: differs from {one} in case only"
        for p in sorted(paths)
        if (one := first.setdefault(p.casefold(), p)) != p
    ]


def _taken(paths: Iterable[str]) -> dict[str, str]:
    """Return, by path, another path with the same address: that one is imported, this one is not."""
    first: dict[str, str] = {}
    return {p: one for p in sorted(paths) if (one := first.setdefault(legal_path(p), p)) != p}


@dataclass(frozen=True, slots=True)
class Planned:
    """One node to write, completely computed. ``origin``: the source file and part, stored with it. ``expect``: hash of
    the present content ("" = any)."""

    uri: Uri
    data: bytes
    hash: str
    document: Document
    chunks: tuple[Chunk, ...]
    origin: dict[str, object]
    tags: tuple[str, ...] | None = None
    expect: str = ""


class FileStatus(StrEnum):
    """Outcome of an import for a file."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    CONFLICT = "clashed"
    LEFT_OUT = "left_out"


@dataclass(frozen=True, slots=True)
class FilePlan:
    """Changes of one file: ``removes`` first (with the hash they must still have, "" for directories), then ``writes``;
    ``remarks``: nodes whose bytes stay, with their new source and tags. Empty: unchanged. ``blocked``: to be planned
    again after files gone at the source are removed here."""

    path: str
    status: FileStatus
    writes: tuple[Planned, ...] = ()
    removes: tuple[tuple[Uri, str], ...] = ()
    remarks: tuple[tuple[Node, dict[str, Any], tuple[str, ...] | None], ...] = ()
    conflicts: tuple[FileConflict, ...] = ()
    warnings: tuple[str, ...] = ()
    blocked: bool = False


def plan_file(path: str, place: Place, existing: ExistingFiles, source: Source, ports: Ports) -> FilePlan:
    """Read, parse and split one file. CPU-bound: run it on a compute pool."""
    if other := place.taken.get(path):
        return _left_out(path, f"its address is that of {other}")
    data = source.read(path)
    if data is None:
        return _left_out(path, "it vanished during the import, or cannot be read")
    digest = hashlib.sha256(data).hexdigest()
    if existing.unchanged(path, digest):
        return _same(path, place, existing)
    try:
        writes, warnings = lay_out(path, data, digest, place, ports)
    except (Invalid, Denied) as bad:
        return _left_out(path, f"left out: {bad.message}")
    return _merge(path, writes, warnings, place, existing)


def lay_out(path: str, data: bytes, digest: str, place: Place, ports: Ports) -> tuple[list[Planned], tuple[str, ...]]:
    """Return the nodes of a file and its parser's warnings. Raises ``Invalid`` past the limits of an address."""
    name = place.root.name if place.exact else legal(posixpath.basename(path))
    document = ports.parser.parse(name, data)
    parts = layout(name, document) if place.split and not place.exact else (Part(name, (), document.text),)
    folder = place.folder_of(path, name, len(parts))
    origins: list[dict[str, object]] = [
        {"path": path, "sha256": digest, "part": i + 1, "parts": len(parts), "headings": list(p.heading_path)}
        for i, p in enumerate(parts)
    ]
    if len(parts) == 1:
        uri = folder / name
        writes = [Planned(uri, data, digest, document, chunks_of_file(uri, document), origins[0])]
    else:
        writes = [_part(folder, name, p, document, o, ports) for p, o in zip(parts, origins, strict=True)]
    for one in writes:
        one.origin.update(
            {"at": "" if place.exact else one.uri.relative_to(place.root)}
            | ({"hash": one.hash} if len(parts) > 1 else {})
            | {"lineage": place.lineage}
        )
    return writes, tuple(f"{path}: {w}" for w in document.warnings)


def _same(path: str, place: Place, existing: ExistingFiles) -> FilePlan:
    """Plan an unchanged source: changes made here stay, tags and origin are updated."""
    remarks = []
    for one in existing.placed(path) or existing.files[path]:
        node, former = one.node, lineages(one.node.source)
        source = dict(node.source)
        if place.lineage and former and place.lineage not in former:
            source["lineage"] = " ".join(sorted({*former, place.lineage}))
        tags = place.tagged(node.tags)
        if source != node.source or (tags is not None and tags != node.tags):
            remarks.append((node, source, tags))
    edited = [one for one in existing.files[path] if one.edited]
    if not edited:
        return FilePlan(path, FileStatus.UNCHANGED, remarks=tuple(remarks))
    conflicts = tuple(FileConflict(path, one.node.uri, "changed here since it was imported: kept") for one in edited)
    return FilePlan(path, FileStatus.CONFLICT, remarks=tuple(remarks), conflicts=conflicts)


def _merge(
    path: str, writes: list[Planned], warnings: tuple[str, ...], place: Place, existing: ExistingFiles
) -> FilePlan:
    """Merge a file's nodes with the existing ones: nodes written or changed by others are never overwritten."""
    ours = {b.node.uri: b for b in existing.placed(path)}
    written = {w.uri for w in writes}
    gone = [b.node for uri, b in ours.items() if uri not in written and not b.edited]
    folders = existing.emptied((n.uri for n in gone), place.root)
    folders = [f for f in folders if not any(k != f and k.under(f) for k in written)]
    conflicts = _find_conflicts(path, writes, ours, {*folders, *(n.uri for n in gone)}, place, existing)
    if conflicts:
        return FilePlan(path, FileStatus.CONFLICT, conflicts=tuple(conflicts), blocked=any(c.blocks for c in conflicts))
    stays = [b for uri, b in ours.items() if uri not in written and b.edited]
    foreign = [n for w in writes if (n := existing.nodes.get(w.uri)) is not None and w.uri not in ours]
    if foreign and len(foreign) == len(writes) and all(n.hash == w.hash for n, w in zip(foreign, writes, strict=True)):
        return _adopt(path, foreign, place)
    former = any(b.digest != writes[0].origin["sha256"] for b in existing.files.get(path, ())) or bool(foreign)
    return FilePlan(
        path,
        FileStatus.CHANGED if former else FileStatus.NEW,
        tuple(_over(w, existing.nodes.get(w.uri), place) for w in writes),
        (*((n.uri, n.hash) for n in gone), *((f, "") for f in folders)),
        conflicts=tuple(
            FileConflict(path, b.node.uri, "no part of its source any more, but changed here since: kept")
            for b in stays
        ),
        warnings=warnings,
    )


def _adopt(path: str, there: list[Node], place: Place) -> FilePlan:
    """Plan for bytes that exist already from another origin: they stay, and become this origin's as well if they were
    imported."""
    remarks: list[tuple[Node, dict[str, Any], tuple[str, ...] | None]] = []
    for node in there:
        others, source = lineages(node.source), dict(node.source)
        if others and place.lineage:
            source["lineage"] = " ".join(sorted({*others, place.lineage}))
        tags = place.tagged(node.tags)
        if source != node.source or (tags is not None and tags != node.tags):
            remarks.append((node, source, tags))
    return FilePlan(path, FileStatus.UNCHANGED, remarks=tuple(remarks))


def _find_conflicts(
    path: str,
    writes: list[Planned],
    ours: Mapping[Uri, ImportedFile],
    going: set[Uri],
    place: Place,
    existing: ExistingFiles,
) -> list[FileConflict]:
    found: list[FileConflict] = []
    for write in writes:
        node, mine = existing.nodes.get(write.uri), ours.get(write.uri)
        above = blocked_above(write.uri, place.root, existing, going)
        if above is not None:
            found.append(FileConflict(path, above.uri, "a file stands where it needs a directory: kept", blocks=True))
        elif node is None or write.uri in going or node.hash == write.hash:
            continue
        elif node.is_dir:
            found.append(FileConflict(path, node.uri, "a directory has its name here: kept", blocks=True))
        elif mine is not None and mine.edited:
            found.append(
                FileConflict(path, node.uri, "changed here and at its source since it was imported: kept as it is here")
            )
        elif mine is None and (existing.again or place.exact):
            found.append(FileConflict(path, node.uri, "another file was written here: kept"))
    return found


def blocked_above(uri: Uri, root: Uri, existing: ExistingFiles, going: Container[Uri] = ()) -> Node | None:
    """Return the file in place of a directory that an address needs, unless it is about to be removed."""
    above = (existing.nodes.get(Uri(uri.parts[:depth])) for depth in range(len(root.parts) + 1, len(uri.parts)))
    return next((n for n in above if n is not None and not n.is_dir and n.uri not in going), None)


def _over(write: Planned, there: Node | None, place: Place) -> Planned:
    if there is None or there.is_dir:
        return replace(write, tags=place.tags or None)
    return replace(write, tags=place.tagged(there.tags), expect=there.hash)


def _left_out(path: str, why: str) -> FilePlan:
    return FilePlan(path, FileStatus.LEFT_OUT, warnings=(f"{path}: {why}",))


def _below(root: Uri, folder: str) -> Uri:
    clean = legal_path(folder)
    return Uri((*root.parts, *clean.split("/"))) if clean else root


def _part(folder: Uri, name: str, part: Part, whole: Document, origin: dict[str, object], ports: Ports) -> Planned:
    """Return a section as a document of its own; its title is the heading path."""
    data, uri = part.text.encode(), folder / part.name
    in_folder = f"{folder.parts[-2]}/{name}" if len(folder.parts) > 2 else name
    title = title_of_part(in_folder, whole, part.heading_path)
    document = replace(ports.parser.parse(part.name, data), title=title)
    return Planned(uri, data, hashlib.sha256(data).hexdigest(), document, chunks_of_file(uri, document), origin)
