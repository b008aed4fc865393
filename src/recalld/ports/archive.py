"""Archives: many named stretches of bytes in one file, written once and read by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol


class ArchiveWriter(Protocol):
    """An archive being made. Synchronous: write where waiting may happen (never on a loop)."""

    def add(self, name: str, data: bytes) -> None:
        """Put one entry in. A name is given once."""

    def stream(self, name: str, pieces: Iterator[bytes]) -> None:
        """The same for bytes that come in pieces."""

    def finish(self) -> int:
        """Complete it; returns its size in bytes. Nothing can be added afterwards."""

    def abandon(self) -> None:
        """Delete what was written."""


class ArchiveReader(Protocol):
    """A finished archive, judged as a whole before anything of it is read. Synchronous."""

    def sizes(self) -> Mapping[str, int]:
        """Every file in it with its size, names as they stand in it."""

    def slices(self, name: str) -> Iterator[bytes]:
        """An entry's bytes in bounded pieces, never more than the size it declared. Raises ``Invalid`` for a damaged one."""

    def close(self) -> None:
        """Let go of the file."""


class Archives(Protocol):
    """Makes and opens archives. Synchronous."""

    def create(self, path: Path) -> ArchiveWriter:
        """Begin an archive at ``path``. Raises ``Upstream`` when the disk refuses."""

    def open(self, path: Path) -> ArchiveReader:
        """Raises ``Invalid`` for what is no archive, is cut short, holds a name twice, a name that leads outside, a link,
        an encrypted entry, or would grow beyond the limits of ``domain/policy``."""
