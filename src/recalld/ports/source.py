"""Where imported files come from: a folder, a zip, one file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from recalld.domain.choice import Choice

UPLOAD_NOTE = ".note"
"""What is known of an upload lies beside it in a file of its name and this ending."""
OUTSIDE = "leads outside the archive"
"""Why an entry of an archive is left out whose name is an absolute path, or one with ``..``."""


@dataclass(frozen=True, slots=True)
class Found:
    """One file to import: ``path`` relative with ``/``, ``size`` in bytes."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """One file left out, and why, in a few words; a folder (``path`` ends in ``/``) with all that is in it. ``error``: it is
    there but could not be read, so nobody knows what is in it."""

    path: str
    why: str
    error: bool = False


class Source(Protocol):
    """A bounded, already opened set of files. Synchronous: read it where waiting may happen (never on a loop)."""

    def entries(self) -> Iterator[Found | Skipped]:
        """Every file in path order, what is no document as ``Skipped``. Raises ``Invalid`` for a hostile archive."""

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None if it vanished meanwhile."""

    def close(self) -> None:
        """Let go of handles."""


class OpenSource(Protocol):
    """Opens a folder, a zip or a single file, depending on what is at ``path``. Synchronous, like what it opens."""

    def __call__(self, path: Path, choice: Choice) -> Source:
        """Raises ``Invalid`` for a hostile or unreadable archive, ``NotFound`` when nothing is there."""
