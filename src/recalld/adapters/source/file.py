"""One file."""

from __future__ import annotations

from collections.abc import Iterator

from recalld.domain.errors import Invalid
from recalld.ports.source import Found, Skipped
from recalld.rules.media import HEAD_BYTES

from .selection import Selection, SourceSettings


class FileSource:
    """A set of one."""

    def __init__(self, settings: SourceSettings) -> None:
        """Raises ``Invalid`` unless the path is a regular file."""
        if not settings.path.is_file():
            raise Invalid(f"{settings.path} is not a file", remedy="give the path of an existing file or folder")
        self._path = settings.path
        self._name = settings.choice.name or settings.path.name
        self._selection = Selection(settings.choice)

    def entries(self) -> Iterator[Found | Skipped]:
        """Yield the file, or why it is skipped."""
        try:
            size = self._path.stat().st_size
            with open(self._path, "rb") as file:
                head = file.read(HEAD_BYTES)
        except FileNotFoundError:
            yield Skipped(self._name, "vanished meanwhile")
            return
        except OSError:
            yield Skipped(self._name, "cannot be read", error=True)
            return
        why = self._selection.why_not_path(self._name) or self._selection.why_not_file(self._name, size, head)
        yield Skipped(self._name, why) if why else Found(self._name, size)

    def read(self, path: str) -> bytes | None:
        """Its bytes; None for any other name or when it has vanished."""
        if path != self._name:
            return None
        try:
            return self._path.read_bytes()
        except OSError:
            return None

    def close(self) -> None:
        """Nothing is held open."""
