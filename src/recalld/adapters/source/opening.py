"""A folder or one file on this machine, walked in path order; and which source a path is."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from recalld.domain.choice import Choice
from recalld.domain.errors import Invalid, NotFound
from recalld.ports.source import Found, Skipped, Source
from recalld.rules.media import HEAD_BYTES, suffix_of

from .archive import ZipSource
from .selection import GITIGNORE_BYTES_MAX, Selection, SourceSettings


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


class FolderSource:
    """Every readable document below a folder."""

    def __init__(self, settings: SourceSettings) -> None:
        """Raises ``Invalid`` unless the path is a folder."""
        if not settings.path.is_dir():
            raise Invalid(f"{settings.path} is not a folder", remedy="give the path of an existing folder")
        self._root = settings.path.resolve()
        self._selection = Selection(settings.choice)

    def entries(self) -> Iterator[Found | Skipped]:
        """Files in path order; skipped folders once, with a trailing ``/``."""
        pending: list[tuple[str, os.DirEntry[str] | None]] = [("", None)]
        while pending:
            path, item = pending.pop()
            # Names that are not UTF-8 come from the operating system as lone surrogates.
            if not (path.isascii() or not any("\ud800" <= char <= "\udfff" for char in path)):
                yield Skipped(path.encode("utf-8", "backslashreplace").decode(), "name is not UTF-8")
            elif item is None or item.is_dir(follow_symlinks=False):
                why = self._selection.why_not_folder(path, partial(self._has, path)) if path else ""
                below = [] if why else self._listed(path)
                if why or below is None:
                    yield Skipped(path + "/", why or "cannot be read", error=not why)
                    continue
                pending.extend((f"{path}/{child.name}" if path else child.name, child) for child in reversed(below))
            else:
                yield self._judged(path, item)

    def read(self, path: str) -> bytes | None:
        """A file's bytes; None when it has vanished, cannot be read or leads out of the folder by now."""
        if self._leaves(path):
            return None
        try:
            return (self._root / path).read_bytes()
        except OSError:
            return None

    def close(self) -> None:
        """Nothing is held open."""

    def _listed(self, folder: str) -> list[os.DirEntry[str]] | None:
        """A folder's items by name, its .gitignore learned; None when it cannot be read."""
        try:
            with os.scandir(self._root / folder) as listing:
                items = sorted(listing, key=lambda item: item.name)
        except OSError:
            return None
        if any(item.name == ".gitignore" for item in items):
            path = f"{folder}/.gitignore" if folder else ".gitignore"
            rules = None if self._leaves(path) else self._head(path, GITIGNORE_BYTES_MAX)
            self._selection.learn(folder, rules or b"")
        return items

    def _judged(self, path: str, item: os.DirEntry[str]) -> Found | Skipped:
        try:
            linked = item.is_symlink()
            if linked and self._leaves(path):
                return Skipped(path, "link out of the folder")
            state = item.stat(follow_symlinks=True)
        except OSError as bad:
            return _unreadable(path, item, bad)
        if linked and stat.S_ISDIR(state.st_mode):
            return Skipped(path, "link to a folder")
        if not stat.S_ISREG(state.st_mode):
            return Skipped(path, "no regular file")
        if why := self._selection.why_not_path(path):
            return Skipped(path, why)
        head = self._head(path, HEAD_BYTES)
        if head is None:
            return Skipped(path, "cannot be read", error=True)
        why = self._selection.why_not_file(path, state.st_size, head)
        return Skipped(path, why) if why else Found(path, state.st_size)

    def _has(self, folder: str, name: str) -> bool:
        return (self._root / folder / name).exists()

    def _head(self, path: str, count: int) -> bytes | None:
        try:
            # Non-blocking: a pipe named .gitignore must not block the traversal.
            with open(os.open(self._root / path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                return file.read(count) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None
        except OSError:
            return None

    def _leaves(self, path: str) -> bool:
        try:
            return not Path(self._root, path).resolve().is_relative_to(self._root)
        except (OSError, RuntimeError, ValueError):
            return True


def _unreadable(path: str, item: os.DirEntry[str], bad: OSError) -> Skipped:
    if item.is_symlink():
        return Skipped(path, "broken link")
    if isinstance(bad, FileNotFoundError):
        return Skipped(path, "vanished meanwhile")
    return Skipped(path, "cannot be read", error=True)


def open_source(path: Path, choice: Choice) -> Source:
    """Open what lies at ``path``; ``choice.name`` is what its owner calls it ("" = the path's own name).

    A name that ends in ``.zip`` is unpacked, any other file (a ``.docx`` too) is one document. Raises ``NotFound`` when
    nothing is there, ``Invalid`` for a hostile archive or bad patterns.
    """
    settings = SourceSettings(path, choice)
    if path.is_dir():
        return FolderSource(settings)
    if not path.exists():
        raise NotFound(f"{path} is not there", remedy="check the path")
    return ZipSource(settings) if suffix_of(choice.name or path.name) == ".zip" else FileSource(settings)
