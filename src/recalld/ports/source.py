"""Where imported files come from: a folder, a zip, one file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Found:
    """One file to import: ``path`` relative with ``/``, ``size`` in bytes."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """One file left out, and why, in a few words."""

    path: str
    why: str


class Source(Protocol):
    """A bounded, already opened set of files. Synchronous: read it where waiting may happen (never on a loop)."""

    def entries(self) -> Iterator[Found | Skipped]:
        """Every file in path order, what is no document as ``Skipped``. Raises ``Invalid`` for a hostile archive."""
        ...

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None if it vanished meanwhile."""
        ...

    def close(self) -> None:
        """Let go of handles."""
        ...
