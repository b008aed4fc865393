"""Zip archives. What is written here stays within the limits that reading here keeps."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from recalld.domain.errors import FULL_ERRNOS, Invalid, Upstream, disk_full
from recalld.domain.policy import UPLOAD_BYTES_MAX, ZIP_BYTES_MAX, ZIP_ENTRIES_MAX, ZIP_RATIO_MAX
from recalld.infra.file_permissions import make_folder, private_opener
from recalld.infra.safe_zip import Problem, SafeZip, problem_of

_RATIO_WRITTEN_MAX = ZIP_RATIO_MAX // 2
_TRIED_BYTES_MIN = 262_144
_REPACK = "pack plain files again, with relative paths and without a password"


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
    """Refuses the archive on opening if any entry of it is unsafe."""

    def __init__(self, path: Path) -> None:
        self._zip = SafeZip(path, "pack")
        try:
            self._files = self._safe_files()
        except Invalid:
            self.close()
            raise

    def sizes(self) -> Mapping[str, int]:
        """Every file with the size it declares."""
        return {name: info.file_size for name, info in self._files.items()}

    def slices(self, name: str) -> Iterator[bytes]:
        """An entry in pieces of at most ``SLICE_BYTES``. Raises ``Invalid``."""
        info = self._files.get(name)
        if info is None:
            raise self._zip.refused(f"has no entry {name[:80]!r}", _REPACK)
        return self._zip.slices(info)

    def close(self) -> None:
        """Close the archive."""
        self._zip.close()

    def _safe_files(self) -> dict[str, zipfile.ZipInfo]:
        seen: set[str] = set()
        for info in self._zip.entries:
            # orig_filename: zipfile turns the system's separators in filename.
            name = info.orig_filename
            path = name.rstrip("/")
            problem = problem_of(info, name)
            if problem is None and ("\\" in name or name[1:2] == ":" or {"", "."} & set(path.split("/"))):
                problem = Problem.OUTSIDE
            if problem is not None:
                raise self._zip.refused(f"has an unsafe entry {name[:80]!r}: {problem}", _REPACK)
            if info.file_size > UPLOAD_BYTES_MAX:
                raise self._zip.refused(
                    f"holds {info.file_size} bytes as {name[:80]!r}", "split it into smaller archives"
                )
            if path in seen:
                raise self._zip.refused(f"holds {name[:80]!r} twice", _REPACK)
            seen.add(path)
        return {info.orig_filename: info for info in self._zip.entries if not info.is_dir()}


def _disk(path: Path, bad: OSError) -> Upstream:
    if bad.errno in FULL_ERRNOS:
        return disk_full("the disk is full: the pack was not made")
    return Upstream(f"{path} cannot be written: {bad.strerror or bad}", remedy="free some space and try again")
