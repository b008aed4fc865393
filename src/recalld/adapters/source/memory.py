"""The twin: files in memory, some of which may vanish."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from recalld.domain.errors import Closed
from recalld.ports.plugin import Plugin
from recalld.ports.source import Found, Skipped


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """``files``: bytes by path; ``skipped``: reasons by path; ``vanishing``: listed, but gone when read."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    vanishing: frozenset[str] = frozenset()


class MemorySource:
    """Strict: reading after ``close`` raises ``Closed``."""

    def __init__(self, settings: MemorySettings) -> None:
        self._settings = settings
        self._closed = False

    def entries(self) -> Iterator[Found | Skipped]:
        """In path order."""
        self._open()
        files, skipped = self._settings.files, self._settings.skipped
        for path in sorted({*files, *skipped}, key=lambda p: p.split("/")):
            yield Skipped(path, skipped[path]) if path in skipped else Found(path, len(files[path]))

    def read(self, path: str) -> bytes | None:
        """None for what vanishes and for what was never there."""
        self._open()
        return None if path in self._settings.vanishing else self._settings.files.get(path)

    def close(self) -> None:
        """From here on everything raises."""
        self._closed = True

    def _open(self) -> None:
        if self._closed:
            raise Closed("this source is closed")


plugin = Plugin(kind="source", name="memory", settings=MemorySettings, make=MemorySource)
