"""Files at an import's target: which came from earlier imports of the same origin, and which were changed since."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from recalld.domain.node import Entry, Node
from recalld.domain.uri import Uri


def lineage_of(origin: str) -> str:
    """Return the id of an origin as recorded in files ("" = an import without origin)."""
    return hashlib.sha256(origin.encode("utf-8", "replace")).hexdigest()[:16] if origin else ""


def lineages(source: Mapping[str, Any]) -> frozenset[str]:
    """Return the origins of a file: several if they imported the same bytes to the same address."""
    return frozenset(str(source.get("lineage") or "").split())


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """A file from an earlier import. ``placed``: it is still where the import put it (a user may have moved it)."""

    node: Node
    path: str
    placed: bool

    @property
    def digest(self) -> str:
        """The sha256 of its source file."""
        return str(self.node.source.get("sha256") or "")

    @property
    def part(self) -> int:
        """The number of its part of the source file, from 1."""
        return int(self.node.source.get("part") or 1)

    @property
    def parts(self) -> int:
        """The number of parts of the source file."""
        return int(self.node.source.get("parts") or 1)

    @property
    def edited(self) -> bool:
        """True if it was changed here since the import (False if an older version did not record that)."""
        brought = str(self.node.source.get("hash") or (self.digest if self.parts == 1 else ""))
        return bool(brought) and brought != self.node.hash


@dataclass(frozen=True, slots=True)
class ExistingFiles:
    """``files``: nodes of this origin's imports by source path; ``nodes``: all nodes below the target by address;
    ``entries``: number of entries per directory; ``again``: this origin was imported here before."""

    files: Mapping[str, tuple[ImportedFile, ...]] = field(default_factory=dict)
    nodes: Mapping[Uri, Node] = field(default_factory=dict)
    entries: Mapping[Uri, int] = field(default_factory=dict)
    again: bool = False
    lineage: str = ""

    @classmethod
    def of(cls, entries: Iterable[Entry], root: Uri, lineage: str, *, legacy: bool) -> ExistingFiles:
        """Build from a listing below ``root``. ``legacy``: files without lineage belong to this origin, imported by a
        version that recorded the origin only at the target. An import without origin matches by path, whichever import
        wrote it."""
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
        """Return the nodes of a source file that are still where the import put them."""
        return tuple(b for b in self.files.get(path, ()) if b.placed)

    def unchanged(self, path: str, digest: str) -> bool:
        """True if every part of the file exists (possibly moved below the target) with these bytes."""
        imported = self.placed(path) or self.files.get(path, ())
        return bool(imported) and all(b.digest == digest and b.parts == len(imported) for b in imported)

    def emptied(self, gone: Iterable[Uri], root: Uri) -> list[Uri]:
        """Return the directories below ``root`` that are empty without these files, deepest first."""
        left = Counter(self.entries)
        found: list[Uri] = []
        pending = [uri.parent for uri in gone]
        for folder in pending:
            left[folder] -= 1
            if not left[folder] and folder != root and folder.under(root):
                found.append(folder)
                pending.append(folder.parent)
        return sorted(found, key=lambda u: (-len(u.parts), u.parts))
