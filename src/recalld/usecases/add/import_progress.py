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
    """What was done so far, stored in the task. ``new``, ``changed``, ``moved``, ``removed`` in source files, ``written`` in
    entries of the tree; ``planned``: tokens a language model will take for them, in ``calls``; ``kept``: files for which there
    was no room any more; ``warnings`` of the files that were written, ``notes`` how often each was given."""

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
        """What an earlier attempt left in its task."""
        return cls(**((result or {}).get("progress") or {}))

    def progress(self) -> dict[str, Any]:
        """What a task shows, and the next attempt reads, while it runs."""
        return {"progress": asdict(self)}

    def warn(self, warnings: Iterable[str]) -> None:
        """Note warnings (``path: what``), as many as are kept, and how often each was given."""
        for warning in warnings:
            what = warning.partition(": ")[2] or warning
            if what in self.notes or len(self.notes) < NOTES_MAX:
                self.notes[what] = self.notes.get(what, 0) + 1
            if len(self.warnings) < WARNINGS_MAX:
                self.warnings.append(warning)


@dataclass(slots=True)
class SourceScan:
    """What one scan of the source found; the next attempt finds it again."""

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
            "queue_status": {
                name: {"processed": self.files, "requeue_count": 0, "error_count": 0, "errors": []}
                for name in ("Semantic", "Embedding")
            },
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
