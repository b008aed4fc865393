"""Zip archives. What is written here stays within the limits that reading here keeps."""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from recalld.domain.errors import Invalid, Upstream
from recalld.domain.policy import UPLOAD_BYTES_MAX, ZIP_BYTES_MAX, ZIP_ENTRIES_MAX, ZIP_RATIO_MAX
from recalld.infra.file_permissions import make_folder, private_opener

SLICE_BYTES = 1_048_576
_DIRECTORY_BYTES_MAX = ZIP_ENTRIES_MAX * 400
_RATIO_FROM_BYTES = 1_000_000
"""Small archives of zeros compress a thousandfold and do no harm."""
_RATIO_WRITTEN_MAX = ZIP_RATIO_MAX // 2
_TRIED_BYTES_MIN = 262_144
_TAIL_BYTES = 65_557
_ENCRYPTED = 0x1
_DRIVE = re.compile(r"[A-Za-z]:")
_READ_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, struct.error)


class ZipArchives:
    """See ``ports.archive``."""

    def create(self, path: Path) -> ZipWriter:
        """Begin an archive; an unfinished one is abandoned by its writer."""
        return ZipWriter(path)

    def open(self, path: Path) -> ZipReader:
        """Judge an archive whole, then let it be read."""
        return ZipReader(path)


class ZipWriter:
    """Deflates quickly; what would compress so far that a reader had to take it for a bomb is stored as it is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names: set[str] = set()
        self._plain = self._packed = 0
        try:
            make_folder(path.parent)
            with open(path, "wb", opener=private_opener):
                pass
            self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        except OSError as bad:
            raise _disk(path, bad) from bad

    def add(self, name: str, data: bytes) -> None:
        """Put one entry in. Raises ``Invalid`` past the limits, ``Upstream`` when the disk refuses."""
        self._count(name)
        info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        info.compress_type = zipfile.ZIP_STORED if self._too_tight(data) else zipfile.ZIP_DEFLATED
        info.external_attr = (stat.S_IFREG | 0o644) << 16
        try:
            self._zip.writestr(info, data, compresslevel=1)
        except OSError as bad:
            raise _disk(self._path, bad) from bad
        self._weigh(len(data), self._zip.getinfo(name).compress_size)

    def stream(self, name: str, pieces: Iterator[bytes]) -> None:
        """Put one entry in, piece by piece, uncompressed."""
        self._count(name)
        info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        info.external_attr = (stat.S_IFREG | 0o644) << 16
        try:
            with self._zip.open(info, "w") as file:
                for piece in pieces:
                    file.write(piece)
        except OSError as bad:
            raise _disk(self._path, bad) from bad
        self._weigh(info.file_size, info.compress_size)

    def finish(self) -> int:
        """Write the directory of the archive; its size."""
        try:
            self._zip.close()
            return self._path.stat().st_size
        except OSError as bad:
            raise _disk(self._path, bad) from bad

    def abandon(self) -> None:
        """Delete what was written, finished or not."""
        try:
            self._zip.close()
        except (OSError, ValueError):
            pass  # the disk that refuses the directory of an archive that is thrown away loses nothing
        self._path.unlink(missing_ok=True)

    def _count(self, name: str) -> None:
        if name in self._names:
            raise Invalid(f"{name} is put into one archive twice", remedy="name every entry once")
        self._names.add(name)
        if len(self._names) > ZIP_ENTRIES_MAX:
            raise Invalid(f"a pack holds at most {ZIP_ENTRIES_MAX} files", remedy="pack its parts one by one")

    def _weigh(self, plain: int, packed: int) -> None:
        self._plain += plain
        self._packed += packed
        if self._plain > ZIP_BYTES_MAX:
            raise Invalid(f"a pack holds at most {ZIP_BYTES_MAX} bytes unpacked", remedy="pack its parts one by one")

    def _too_tight(self, data: bytes) -> bool:
        if self._plain > self._packed * _RATIO_WRITTEN_MAX:
            return True
        if len(data) < _TRIED_BYTES_MIN:
            return False
        return len(data) > len(zlib.compress(data, 1)) * _RATIO_WRITTEN_MAX


class ZipReader:
    """Every check on opening, from the archive's own directory; bytes are counted while they are unpacked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        _check_directory_size(path)
        try:
            self._zip = zipfile.ZipFile(path)
        except (*_READ_ERRORS, ValueError) as bad:
            raise _refused(path, "is not a readable zip archive", "pack it again and send it again") from bad
        try:
            self._files = _checked(self._zip.infolist(), path)
        except Invalid:
            self._zip.close()
            raise

    def sizes(self) -> Mapping[str, int]:
        """Every file with the size it declares."""
        return {name: info.file_size for name, info in self._files.items()}

    def slices(self, name: str) -> Iterator[bytes]:
        """An entry in pieces of at most ``SLICE_BYTES``. Raises ``Invalid``."""
        info = self._files.get(name)
        if info is None:
            raise _refused(self._path, f"has no entry {name[:80]!r}", "pack it again and send it again")
        left = info.file_size
        try:
            with self._zip.open(info) as file:
                while piece := file.read(SLICE_BYTES):
                    left -= len(piece)
                    if left < 0:
                        break
                    yield piece
        except _READ_ERRORS as bad:
            raise _damaged(self._path, name) from bad
        if left:
            raise _damaged(self._path, name)

    def close(self) -> None:
        """Let go of the archive."""
        self._zip.close()


def _checked(infos: list[zipfile.ZipInfo], path: Path) -> dict[str, zipfile.ZipInfo]:
    if len(infos) > ZIP_ENTRIES_MAX:
        raise _refused(path, f"holds {len(infos)} entries", f"split it into archives of at most {ZIP_ENTRIES_MAX}")
    total = sum(info.file_size for info in infos)
    if total > ZIP_BYTES_MAX or any(info.file_size > UPLOAD_BYTES_MAX for info in infos):
        raise _refused(path, f"would unpack to {total} bytes", "split it into smaller archives")
    packed = max(1, path.stat().st_size)
    if total > _RATIO_FROM_BYTES and total / packed > ZIP_RATIO_MAX:
        raise _refused(path, f"would grow {total // packed}-fold when unpacked", f"at most {ZIP_RATIO_MAX}-fold")
    seen: set[str] = set()
    files: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = _safe(info, path)
        if name.rstrip("/") in seen:
            raise _refused(path, f"holds {name[:80]!r} twice", "pack it again and send it again")
        seen.add(name.rstrip("/"))
        if not info.is_dir():
            files[name] = info
    return files


def _safe(info: zipfile.ZipInfo, path: Path) -> str:
    # orig_filename: the library cuts names at a zero byte and turns the system's separators, and so would hide both.
    name = info.orig_filename
    parts = name.rstrip("/").split("/")
    if "\\" in name or "\x00" in name or _DRIVE.match(name) or any(part in {"", ".", ".."} for part in parts):
        raise _refused(path, f"has an entry that leads outside: {name[:80]!r}", "pack it with relative paths only")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise _refused(path, f"holds a link: {name[:80]!r}", "pack the files links point to, not the links")
    if info.flag_bits & _ENCRYPTED:
        raise _refused(path, f"is encrypted ({name[:80]!r})", "send it without a password")
    return name


def _check_directory_size(path: Path) -> None:
    """The directory is read into memory as a whole: refuse an absurd one before it is."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            ending = file.read()
    except OSError as bad:
        raise _refused(path, "cannot be read", "send it again") from bad
    at = ending.rfind(b"PK\x05\x06")
    if at < 0 or len(ending) < at + 22:
        raise _refused(path, "is not a readable zip archive, or is truncated", "send it again")
    if struct.unpack_from("<I", ending, at + 12)[0] > _DIRECTORY_BYTES_MAX:
        raise _refused(path, "lists too many files", f"split it into archives of at most {ZIP_ENTRIES_MAX} entries")


def _damaged(path: Path, name: str) -> Invalid:
    return _refused(path, f"is damaged at {name[:80]!r}", "send it again; if that does not help, pack it again")


def _refused(path: Path, problem: str, remedy: str) -> Invalid:
    return Invalid(f"pack {path.name} {problem}", remedy=remedy, details={"archive": path.name})


def _disk(path: Path, bad: OSError) -> Upstream:
    return Upstream(f"{path} cannot be written: {bad.strerror or bad}", remedy="free some space and try again")
