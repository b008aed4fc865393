"""Re-import of an origin: files it no longer has are removed, moved files keep their node, files changed here stay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recalld.domain.choice import Choice
from recalld.domain.node import Node
from recalld.domain.uri import Uri
from recalld.ports.source import Found, Skipped

from .existing_files import ExistingFiles, lineages

REMOVED_UNASKED_MAX = 20
"""An import that would remove more files than this, and more than half of what it brought, has to be confirmed."""


@dataclass(frozen=True, slots=True)
class FileConflict:
    """A file that stays as it is here, and why. ``blocks``: it prevents another file."""

    path: str
    uri: Uri
    why: str
    blocks: bool = False


@dataclass(frozen=True, slots=True)
class Removal:
    """Decision for files whose source is gone: ``gone`` are removed (as read), ``shared`` stay for other origins,
    ``conflicts`` stay since they were changed here. ``paths``: source files of ``gone``."""

    gone: tuple[Node, ...] = ()
    shared: tuple[Node, ...] = ()
    conflicts: tuple[FileConflict, ...] = ()
    paths: tuple[str, ...] = ()


def missing(existing: ExistingFiles, listing: Iterable[Found | Skipped], left_out: Iterable[str] = ()) -> list[str]:
    """Return source paths of earlier imports that no longer exist at the source. Skipped files (``Skipped``, or
    ``left_out`` by the sender) are not missing."""
    there = {e.path for e in listing} | set(left_out)
    folders = tuple(path for path in there if path.endswith("/"))
    return sorted(p for p in existing.files if p not in there and not p.startswith(folders))


def removal(existing: ExistingFiles, paths: Iterable[str]) -> Removal:
    """Decide for each file that is missing at the source."""
    gone: list[Node] = []
    shared: list[Node] = []
    conflicts: list[FileConflict] = []
    removed: list[str] = []
    for path in paths:
        for one in existing.files[path]:
            if not one.placed or one.edited:
                why = "changed here" if one.edited else "moved here"
                conflicts.append(FileConflict(path, one.node.uri, f"gone at its source, but {why} since: kept"))
            elif lineages(one.node.source) - {existing.lineage}:
                shared.append(one.node)
            else:
                gone.append(one.node)
        if gone and gone[-1].source.get("path") == path:
            removed.append(path)
    return Removal(tuple(gone), tuple(shared), tuple(conflicts), tuple(removed))


def moved(existing: ExistingFiles, paths: Sequence[str], new: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (former path, new path) of files that moved at the source, matched by content; equal names first. ``new``:
    sha256 by path of files that no earlier import had."""
    by_digest: dict[str, list[str]] = {}
    for path, digest in sorted(new.items()):
        by_digest.setdefault(digest, []).append(path)
    pairs: list[tuple[str, str]] = []
    for same_name in (True, False):
        taken = {old for old, _ in pairs}
        for old in paths:
            imported = existing.files[old]
            if old in taken or not all(
                b.placed and not b.edited and b.digest == imported[0].digest and b.parts == len(imported)
                for b in imported
            ):
                continue
            free = by_digest.get(imported[0].digest, [])
            to = next((p for p in free if not same_name or _base(p) == _base(old)), None)
            if to is not None:
                free.remove(to)
                pairs.append((old, to))
    return pairs


def _base(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def too_many(removed: int, brought: int) -> bool:
    """True if a removal has to be confirmed."""
    return removed > REMOVED_UNASKED_MAX and removed * 2 > brought


def without_lineage(source: Mapping[str, Any], lineage: str) -> dict[str, Any]:
    """Return a file's source without one of its origins."""
    return {**source, "lineage": " ".join(sorted(lineages(source) - {lineage}))}


def narrower(choice: Choice, earlier: Mapping[str, Any] | None) -> bool:
    """True if a selection may exclude files that earlier imports of the origin included (None: no earlier import)."""
    if earlier is None:
        return False
    if choice.include and set(choice.include) != set(earlier.get("include", ())):
        return True
    return not (
        set(choice.exclude) <= set(earlier.get("exclude", ()))
        and set(choice.ignore_dirs) <= set(earlier.get("ignore_dirs", ()))
    )


def widest(choice: Choice, earlier: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the selection to record with the place: the earlier one unless this one includes at least as much."""
    if earlier is not None and narrower(choice, earlier):
        return dict(earlier)
    every = {"include": choice.include, "exclude": choice.exclude, "ignore_dirs": choice.ignore_dirs}
    return {field: list(patterns) for field, patterns in every.items() if patterns}


def why_kept(listing: Iterable[Found | Skipped], *, single: bool, keep: bool, narrow: bool, incomplete: str) -> str:
    """Return why an import removes nothing that is missing at the source; "" if it may. ``incomplete``: files that the
    sender could not read."""
    if keep:
        return "as asked"
    if single:
        return "a single file was imported"
    if narrow:
        return "include, exclude or ignore_dirs take less than an earlier import did"
    failed = next((f"{e.path}: {e.why}" for e in listing if isinstance(e, Skipped) and e.error), incomplete)
    return f"not everything could be read ({failed})" if failed else ""
