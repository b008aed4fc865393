"""A zip archive, judged before anything of it is unpacked; nothing is ever written to disk."""

from __future__ import annotations

import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial

from recalld.domain.errors import Invalid
from recalld.domain.policy import ZIP_BYTES_MAX
from recalld.infra.safe_zip import Problem, SafeZip, problem_of
from recalld.ports.source import OUTSIDE, Found, Skipped
from recalld.rules.archive_names import names_codec
from recalld.rules.media import HEAD_BYTES

from .selection import GITIGNORE_BYTES_MAX, Selection, SourceSettings

_SYSTEM_FILES = frozenset((".DS_Store", "Thumbs.db", "desktop.ini"))
NAME_SHOWN = 200
_UTF8_NAME = 0x800


class ZipSource:
    """The files of a zip. Refused whole when it is a bomb or cannot be read; an unsafe or damaged entry is left out with the
    reason, and the others are read."""

    def __init__(self, settings: SourceSettings) -> None:
        """Reads the directory of the archive and checks it. Raises ``Invalid``."""
        self._selection = Selection(settings.choice)
        self._zip = SafeZip(settings.path, "zip archive")
        self._files, self._odd = _split(self._zip.entries)
        if settings.choice.unwrap:
            self._files = _unwrapped(self._files, settings.choice.name or settings.path.name)
        self._folders = {folder for path in self._files for folder in _folders(path)}

    def entries(self) -> Iterator[Found | Skipped]:
        """Files in path order."""
        for path in sorted(path for path in self._files if path.rsplit("/", 1)[-1] == ".gitignore"):
            self._selection.learn(path.rpartition("/")[0], self._bytes(path, GITIGNORE_BYTES_MAX) or b"")
        seen: set[str] = set()
        for path in sorted(self._files, key=lambda p: p.split("/")):
            folder, why = self._skipped_folder(path)
            if folder:
                if folder not in seen:
                    seen.add(folder)
                    yield Skipped(folder + "/", why)
                continue
            yield Skipped(path, "a folder has the same name") if path in self._folders else self._judged(path)
        yield from self._odd

    def read(self, path: str) -> bytes | None:
        """A file's bytes, counted while they are unpacked. None for an unknown or damaged entry."""
        return self._bytes(path, ZIP_BYTES_MAX)

    def close(self) -> None:
        """Let go of the archive."""
        self._zip.close()

    def _judged(self, path: str) -> Found | Skipped:
        if why := self._selection.why_not_path(path):
            return Skipped(path, why)
        size = self._files[path].file_size
        head = self._bytes(path, HEAD_BYTES)
        if head is None:
            return Skipped(path, "damaged", error=True)
        why = self._selection.why_not_file(path, size, head)
        return Skipped(path, why) if why else Found(path, size)

    def _skipped_folder(self, path: str) -> tuple[str, str]:
        parts = path.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            if why := self._selection.why_not_folder(folder, partial(self._has, folder)):
                return folder, why
        return "", ""

    def _has(self, folder: str, name: str) -> bool:
        return f"{folder}/{name}" in self._files

    def _bytes(self, path: str, bytes_max: int) -> bytes | None:
        """At most the first ``bytes_max`` bytes of an entry."""
        info = self._files.get(path)
        try:
            return None if info is None else b"".join(self._zip.slices(info, bytes_max))
        except Invalid:
            return None


def _split(infos: Sequence[zipfile.ZipInfo]) -> tuple[dict[str, zipfile.ZipInfo], list[Skipped]]:
    """Safe files by clean path, and the entries that are left out."""
    files: dict[str, zipfile.ZipInfo] = {}
    odd: list[Skipped] = []
    for info, name in zip(infos, _names(infos), strict=True):
        clean = "/".join(part for part in name.split("/") if part not in {"", "."})
        problem = problem_of(info, name)
        if problem is Problem.OUTSIDE:
            odd.append(Skipped(name[:NAME_SHOWN], OUTSIDE))
        elif problem is not None:
            odd.append(Skipped(clean, problem.value))
        elif clean and not info.is_dir() and not name.endswith("/"):
            if clean in files:
                odd.append(Skipped(clean, "a later entry has the same name"))
            files[clean] = info
    return files, odd


def _names(infos: Sequence[zipfile.ZipInfo]) -> list[str]:
    """What the entries are called. Names without the UTF-8 mark are what the packing machine spoke, all of them the same."""
    raws = [_raw_name(info) for info in infos]
    codec = names_codec([raw for raw in raws if raw is not None])
    raw_names = [
        info.filename if raw is None else raw.decode(codec, "replace") for info, raw in zip(infos, raws, strict=True)
    ]
    return [unicodedata.normalize("NFC", name).replace("\\", "/") for name in raw_names]


def _raw_name(info: zipfile.ZipInfo) -> bytes | None:
    """Return the raw bytes of a name whose encoding is not declared; None if it is known."""
    if info.flag_bits & _UTF8_NAME or info.filename.isascii():
        return None
    try:
        return info.filename.encode("cp437")
    except UnicodeEncodeError:
        return None


def _folders(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _unwrapped(files: dict[str, zipfile.ZipInfo], archive: str) -> dict[str, zipfile.ZipInfo]:
    """Without the only folder at the top, if it has the archive's name; what the packing system added does not count."""
    own = {path: info for path, info in files.items() if not path.startswith("__MACOSX/")}
    tops = {path.partition("/")[0] for path in own if "/" in path}
    if len(tops) != 1 or any("/" not in path and path not in _SYSTEM_FILES for path in own):
        return files
    top = next(iter(tops))
    if _plain(top) != _plain(archive.removesuffix(archive[-4:]) if archive.lower().endswith(".zip") else archive):
        return files
    return {path.partition("/")[2] if "/" in path else path: info for path, info in own.items()}


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold().strip()
