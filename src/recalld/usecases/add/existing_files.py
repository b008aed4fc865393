"""Files already at an import's place: which came from earlier imports of the same origin, and which were changed since."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from recalld.domain.node import Entry, Node
from recalld.domain.uri import Uri


def lineage_of(origin: str) -> str:
    """What a file says of the origin that brought it ("" = an import that named none)."""
    return hashlib.sha256(origin.encode("utf-8", "replace")).hexdigest()[:16] if origin else ""


def lineages(source: Mapping[str, Any]) -> frozenset[str]:
    """The origins that brought a file: several where they brought the same bytes to the same place."""
    return frozenset(str(source.get("lineage") or "").split())


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """A file from an earlier import. ``placed``: it is where the import put it (a user may have moved it)."""

    node: Node
    path: str
    placed: bool

    @property
    def digest(self) -> str:
        """The sha256 of the source file it was made from."""
        return str(self.node.source.get("sha256") or "")

    @property
    def part(self) -> int:
        """Which part of the source file it is, from 1."""
        return int(self.node.source.get("part") or 1)

    @property
    def parts(self) -> int:
        """How many parts the source file was cut into."""
        return int(self.node.source.get("parts") or 1)

    @property
    def edited(self) -> bool:
        """True if it was changed here since it was brought (False where an older version did not record that)."""
        brought = str(self.node.source.get("hash") or (self.digest if self.parts == 1 else ""))
        return bool(brought) and brought != self.node.hash


@dataclass(frozen=True, slots=True)
class ExistingFiles:
    """``files``: by source path what imports of this origin made of it; ``nodes``: everything below the place by its address;
    ``entries``: how many entries each directory holds; ``again``: this origin was imported here before."""

    files: Mapping[str, tuple[ImportedFile, ...]] = field(default_factory=dict)
    nodes: Mapping[Uri, Node] = field(default_factory=dict)
    entries: Mapping[Uri, int] = field(default_factory=dict)
    again: bool = False
    lineage: str = ""

    @classmethod
    def of(cls, entries: Iterable[Entry], root: Uri, lineage: str, *, legacy: bool) -> ExistingFiles:
        """Read a listing below ``root``. ``legacy``: files that name no lineage are this origin's, brought by a version that
        recorded the origin at the place alone. An import without an origin goes by paths only, whichever import they came from."""
        files: dict[str, list[ImportedFile]] = {}
        nodes: dict[Uri, Node] = {}
        held: Counter[Uri] = Counter()
        for entry in entries:
            node = entry.node
            nodes[node.uri] = node
            held[node.uri.parent] += 1
            path = node.source.get("path")
            if not path or node.is_dir:
                continue
            if lineage and lineage not in lineages(node.source) and not (legacy and "lineage" not in node.source):
                continue
            placed = node.source.get("at", "") in {"", node.uri.relative_to(root)}
            files.setdefault(str(path), []).append(ImportedFile(node, str(path), placed))
        return cls({k: tuple(v) for k, v in files.items()}, nodes, held, bool(lineage and files), lineage)

    def placed(self, path: str) -> tuple[ImportedFile, ...]:
        """What was made of a source file and is where it was put."""
        return tuple(b for b in self.files.get(path, ()) if b.placed)

    def unchanged(self, path: str, digest: str) -> bool:
        """True if every part of that file is there (or was moved elsewhere below), made from these bytes."""
        imported = self.placed(path) or self.files.get(path, ())
        return bool(imported) and all(b.digest == digest and b.parts == len(imported) for b in imported)

    def emptied(self, gone: Iterable[Uri], root: Uri) -> list[Uri]:
        """The directories below ``root`` that hold nothing once these files are gone, deepest first."""
        left = Counter(self.entries)
        found: list[Uri] = []
        pending = [uri.parent for uri in gone]
        for folder in pending:
            left[folder] -= 1
            if not left[folder] and folder != root and folder.under(root):
                found.append(folder)
                pending.append(folder.parent)
        return sorted(found, key=lambda u: (-len(u.parts), u.parts))
