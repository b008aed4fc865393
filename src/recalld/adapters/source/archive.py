"""A zip archive, judged before anything of it is unpacked; nothing is ever written to disk."""

from __future__ import annotations

import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from recalld.domain.errors import Invalid
from recalld.domain.policy import ZIP_BYTES_MAX, ZIP_ENTRIES_MAX, ZIP_RATIO_MAX
from recalld.ports.plugin import Plugin
from recalld.ports.source import OUTSIDE, Found, Skipped
from recalld.rules.archive_names import names_codec
from recalld.rules.media import HEAD_BYTES, size_words

from .selection import GITIGNORE_BYTES_MAX, Selection, SourceSettings

_DIRECTORY_BYTES_MAX = ZIP_ENTRIES_MAX * 400
_RATIO_FROM_BYTES = 1_000_000
"""Small archives of zeros compress a thousandfold and do no harm."""
_SLICE_BYTES = 1_048_576
_DRIVE = re.compile(r"[A-Za-z]:/")
_SYSTEM_FILES = frozenset((".DS_Store", "Thumbs.db", "desktop.ini"))
NAME_SHOWN = 200
_UTF8_NAME = 0x800
_ENCRYPTED = 0x1
_READ_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, struct.error)


class ZipSource:
    """The files of a zip. Refused whole when it is a bomb or cannot be read; an entry that leads outside, a link, a device, an
    encrypted or damaged one is left out with the reason, and the others are read."""

    def __init__(self, settings: SourceSettings) -> None:
        """Reads the directory of the archive and checks it. Raises ``Invalid``."""
        self._path = settings.path
        self._selection = Selection(settings.choice)
        _check_directory_size(settings.path)
        try:
            self._zip = zipfile.ZipFile(settings.path)
        except (*_READ_ERRORS, ValueError) as bad:
            raise _refused(settings.path, "is not a readable zip archive", "pack it again and send it again") from bad
        try:
            self._files, self._odd = _checked(self._zip.infolist(), settings.path)
        except Invalid:
            self._zip.close()
            raise
        if settings.choice.unwrap:
            self._files = _unwrapped(self._files, settings.choice.name or settings.path.name)
        self._folders = {folder for path in self._files for folder in _folders(path)}
        self._unpacked = 0

    def entries(self) -> Iterator[Found | Skipped]:
        """Files in path order. Raises ``Invalid`` when their bytes together pass the limit."""
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
        """A file's bytes, counted while they are unpacked. None for an unknown or damaged entry; ``Invalid`` past the
        limit of ``ZIP_BYTES_MAX`` for the whole archive."""
        data = self._bytes(path, ZIP_BYTES_MAX)
        if data is not None:
            self._unpacked += len(data)
            if self._unpacked > 2 * ZIP_BYTES_MAX:
                raise _too_large(self._path)
        return data

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
        """At most the first ``bytes_max`` bytes of an entry, never more than it declared."""
        info = self._files.get(path)
        if info is None:
            return None
        taken: list[bytes] = []
        left = min(bytes_max, info.file_size)
        try:
            with self._zip.open(info) as file:
                while left > 0 and (piece := file.read(min(left, _SLICE_BYTES))):
                    taken.append(piece)
                    left -= len(piece)
        except _READ_ERRORS:
            return None
        return b"".join(taken)


def _checked(infos: list[zipfile.ZipInfo], path: Path) -> tuple[dict[str, zipfile.ZipInfo], list[Skipped]]:
    """Entries by clean path, and those that are left out whatever is wanted. Raises ``Invalid``."""
    if len(infos) > ZIP_ENTRIES_MAX:
        raise _refused(path, f"holds {len(infos)} entries", f"split it into archives of at most {ZIP_ENTRIES_MAX}")
    total = sum(info.file_size for info in infos)
    if total > ZIP_BYTES_MAX:
        raise _too_large(path)
    packed = max(1, path.stat().st_size)
    if total > _RATIO_FROM_BYTES and total / packed > ZIP_RATIO_MAX:
        problem = f"would grow {total // packed}-fold when unpacked"
        raise _refused(path, problem, f"send the files unpacked; archives may grow {ZIP_RATIO_MAX}-fold")
    files: dict[str, zipfile.ZipInfo] = {}
    odd: list[Skipped] = []
    for info, name in zip(infos, _names(infos), strict=True):
        clean, why = _judged_name(info, name)
        if why:
            odd.append(Skipped(clean, why))
        elif clean and not info.is_dir() and not name.endswith("/"):
            if clean in files:
                odd.append(Skipped(clean, "a later entry has the same name"))
            files[clean] = info
    return files, odd


def _judged_name(info: zipfile.ZipInfo, name: str) -> tuple[str, str]:
    """An entry's path, and why it is left out ("" = it is not)."""
    mode = info.external_attr >> 16
    clean = "/".join(part for part in name.split("/") if part not in {"", "."})
    if name.startswith("/") or _DRIVE.match(name) or ".." in name.split("/"):
        return name[:NAME_SHOWN], OUTSIDE
    if stat.S_ISLNK(mode):
        return clean, "a link: what it points to is not in the archive"
    if stat.S_IFMT(mode) and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        return clean, "no regular file"
    return clean, "encrypted: send it without a password" if info.flag_bits & _ENCRYPTED else ""


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


def _check_directory_size(path: Path) -> None:
    """The directory is read into memory as a whole: refuse an absurd one before it is. Raises ``Invalid``."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            end = file.tell()
            file.seek(max(0, end - 65_557))
            ending = file.read()
    except OSError as bad:
        raise _refused(path, "cannot be read", "send it again") from bad
    at = len(ending) - 22 if ending[-22:-18] == b"PK\x05\x06" else ending.rfind(b"PK\x05\x06")
    if at < 0 or len(ending) < at + 22:
        raise _refused(path, "is not a readable zip archive", "pack it again and send it again")
    size = struct.unpack_from("<I", ending, at + 12)[0]
    # 0xFFFFFFFF: the true size stands in the zip64 record; archives that need one are over the limit anyway.
    if size > _DIRECTORY_BYTES_MAX:
        raise _refused(path, "lists too many files", f"split it into archives of at most {ZIP_ENTRIES_MAX} entries")


def _too_large(path: Path) -> Invalid:
    return _refused(path, f"holds more than {size_words(ZIP_BYTES_MAX)} unpacked", "split it into smaller archives")


def _refused(path: Path, problem: str, remedy: str) -> Invalid:
    return Invalid(f"zip archive {path.name} {problem}", remedy=remedy, details={"archive": path.name})


plugin = Plugin(kind="source", name="zip", settings=SourceSettings, make=ZipSource)
