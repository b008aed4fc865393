"""Progress of an import, updated in the commits that do the work, so that a crashed worker counts nothing twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from recalld.domain.uri import Uri

from .mirror import FileConflict

WARNINGS_MAX = 100
CONFLICTS_MAX = 100
NOTES_MAX = 20


@dataclass(slots=True)
class ImportProgress:
    """Progress stored in the task. ``new``, ``changed``, ``moved``, ``removed``: source files; ``written``: entries of
    the tree; ``planned``: tokens of a language model for them, in ``calls``; ``kept``: files beyond the token budget;
    ``warnings`` of the written files, ``notes``: number of each kind."""

    new: int = 0
    changed: int = 0
    moved: int = 0
    removed: int = 0
    written: int = 0
    planned: int = 0
    calls: int = 0
    kept: int = 0
    warnings: list[str] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, result: dict[str, Any] | None) -> ImportProgress:
        """Return the progress of an earlier attempt, from its task."""
        return cls(**((result or {}).get("progress") or {}))

    def progress(self) -> dict[str, Any]:
        """Return the progress shown by the running task and read by the next attempt."""
        return {"progress": asdict(self)}

    def warn(self, warnings: Iterable[str]) -> None:
        """Record warnings (``path: what``) up to the limit, and count each kind."""
        for warning in warnings:
            what = warning.partition(": ")[2] or warning
            if what in self.notes or len(self.notes) < NOTES_MAX:
                self.notes[what] = self.notes.get(what, 0) + 1
            if len(self.warnings) < WARNINGS_MAX:
                self.warnings.append(warning)


@dataclass(slots=True)
class SourceScan:
    """The result of one scan of the source; the next attempt repeats it."""

    total: int = 0
    files: int = 0
    left_out: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    conflicts: list[FileConflict] = field(default_factory=list)
    conflicted: int = 0
    missed: int = 0
    keep_reason: str = ""
    kept_paths: list[str] = field(default_factory=list)

    def result(self, root: Uri, done: ImportProgress) -> dict[str, Any]:
        """The task's result."""
        notes = [f"{c.path}: {c.why} ({c.uri})" for c in self.conflicts]
        if self.keep_reason:
            shown = ", ".join(self.kept_paths[:5]) + (", ..." if len(self.kept_paths) > 5 else "")
            notes.append(
                f"{len(self.kept_paths)} files are gone at the source and were kept: {self.keep_reason} ({shown})"
            )
        warnings = [*notes, *done.warnings, *self.left_out]
        return {
            "status": "success",
            "root_uri": str(root),
            "context_count": done.written,
            "files": self.files,
            "new": done.new,
            "changed": done.changed,
            "moved": done.moved,
            "removed": done.removed,
            "unchanged": max(0, self.total - self.missed - self.conflicted - done.new - done.changed - done.moved),
            "conflicts": [{"path": c.path, "uri": str(c.uri), "reason": c.why} for c in self.conflicts[:CONFLICTS_MAX]],
            "conflicts_total": len(self.conflicts),
            "kept_removed": len(self.kept_paths) if self.keep_reason else 0,
            "left_out": dict(self.kinds),
            "notes": done.notes,
            "warnings": warnings[:WARNINGS_MAX],
            "warnings_total": len(warnings),
        }
