"""Reading a zip archive of unknown origin: limits are checked on opening, and bytes are counted while they are unpacked."""

from __future__ import annotations

import lzma
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from recalld.domain.errors import Invalid
from recalld.domain.policy import ZIP_BYTES_MAX, ZIP_ENTRIES_MAX, ZIP_RATIO_MAX

SLICE_BYTES = 1_048_576
_DIRECTORY_BYTES_MAX = ZIP_ENTRIES_MAX * 400
_RATIO_FROM_BYTES = 1_000_000
"""Small archives of zeros compress a thousandfold and do no harm."""
_DIRECTORY_END = b"PK\x05\x06"
_DIRECTORY_END_BYTES = 22
_ZIP64_END, _ZIP64_LOCATOR = b"PK\x06\x06", b"PK\x06\x07"
_ZIP64_END_BYTES, _ZIP64_LOCATOR_BYTES = 56, 20
_COMMENT_BYTES_MAX = 65_535
_ENDING_BYTES_MAX = _COMMENT_BYTES_MAX + _DIRECTORY_END_BYTES + _ZIP64_LOCATOR_BYTES + _ZIP64_END_BYTES
_DRIVE = re.compile(r"[A-Za-z]:/")
_ENCRYPTED = 0x1
_READ_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, OSError, struct.error)


class Problem(StrEnum):
    """Why an entry is unsafe to read, in words that follow its name."""

    OUTSIDE = "leads outside the archive"
    LINK = "a link: what it points to is not in the archive"
    SPECIAL = "no regular file"
    ENCRYPTED = "encrypted: send it without a password"


def problem_of(info: zipfile.ZipInfo, name: str) -> Problem | None:
    """Return why the entry called ``name`` is unsafe; None if it is safe. Separators in ``name`` are ``/``."""
    mode = info.external_attr >> 16
    # orig_filename: zipfile truncates filename at a zero byte.
    if name.startswith("/") or _DRIVE.match(name) or ".." in name.split("/") or "\x00" in info.orig_filename:
        return Problem.OUTSIDE
    if stat.S_ISLNK(mode):
        return Problem.LINK
    if stat.S_IFMT(mode) and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        return Problem.SPECIAL
    return Problem.ENCRYPTED if info.flag_bits & _ENCRYPTED else None


class SafeZip:
    """An open archive within the limits of ``domain/policy``. ``label`` is what error messages call it.

    The constructor raises ``Invalid`` for a file that is no zip, or lists or would unpack to too much.
    """

    def __init__(self, path: Path, label: str) -> None:
        self._path, self._label = path, label
        self._check_directory_size()
        try:
            self._zip = zipfile.ZipFile(path)
        except (*_READ_ERRORS, ValueError) as bad:
            raise self.refused("is not a readable zip archive", "pack it again and send it again") from bad
        self.entries = self._zip.infolist()
        try:
            self._check_totals()
        except Invalid:
            self.close()
            raise

    def slices(self, info: zipfile.ZipInfo, bytes_max: int = ZIP_BYTES_MAX) -> Iterator[bytes]:
        """Yield the first ``bytes_max`` bytes of an entry in pieces of at most ``SLICE_BYTES``, never more than it declares.

        Raises ``Invalid`` for a damaged entry, or one that holds fewer bytes than it declares.
        """
        left = min(bytes_max, info.file_size)
        try:
            with self._zip.open(info) as file:
                while left and (piece := file.read(min(left, SLICE_BYTES))):
                    left -= len(piece)
                    yield piece
                if left or (info.file_size <= bytes_max and file.read(1)):  # at its end, read checks the checksum
                    raise EOFError
        except _READ_ERRORS as bad:
            problem = f"is damaged at {info.orig_filename[:80]!r}"
            raise self.refused(problem, "send it again; if that does not help, pack it again") from bad

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def refused(self, problem: str, remedy: str) -> Invalid:
        """An error that names the archive."""
        return Invalid(
            f"{self._label} {self._path.name} {problem}", remedy=remedy, details={"archive": self._path.name}
        )

    def _check_directory_size(self) -> None:
        """Refuse an absurd directory before ``zipfile`` reads it into memory."""
        try:
            with open(self._path, "rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - _ENDING_BYTES_MAX))
                ending = file.read()
        except OSError as bad:
            raise self.refused("cannot be read", "send it again") from bad
        at = len(ending) - _DIRECTORY_END_BYTES
        if not ending.startswith(_DIRECTORY_END, max(at, 0)):
            at = ending.rfind(_DIRECTORY_END)
        if at < 0 or len(ending) < at + _DIRECTORY_END_BYTES:
            raise self.refused("is not a readable zip archive, or is truncated", "send it again")
        if _directory_bytes(ending, at) > _DIRECTORY_BYTES_MAX:
            raise self.refused("lists too many files", f"split it into archives of at most {ZIP_ENTRIES_MAX} entries")

    def _check_totals(self) -> None:
        if len(self.entries) > ZIP_ENTRIES_MAX:
            remedy = f"split it into archives of at most {ZIP_ENTRIES_MAX}"
            raise self.refused(f"holds {len(self.entries)} entries", remedy)
        total = sum(info.file_size for info in self.entries)
        if total > ZIP_BYTES_MAX:
            problem = f"would grow to {total} bytes when unpacked; the limit is {ZIP_BYTES_MAX}"
            raise self.refused(problem, "split it into smaller archives")
        packed = max(1, self._path.stat().st_size)
        if total > max(_RATIO_FROM_BYTES, packed * ZIP_RATIO_MAX):
            problem = f"would grow {total // packed}-fold when unpacked; the limit is {ZIP_RATIO_MAX}-fold"
            raise self.refused(problem, "send the files unpacked")


def _directory_bytes(ending: bytes, at: int) -> int:
    """Return the size of the directory that ``zipfile`` will read. ``at``: where the end record begins in ``ending``.

    A zip64 record in front of it replaces its size, whether the archive needs one or not.
    """
    locator = at - _ZIP64_LOCATOR_BYTES
    zip64 = locator - _ZIP64_END_BYTES
    if zip64 >= 0 and ending.startswith(_ZIP64_LOCATOR, locator) and ending.startswith(_ZIP64_END, zip64):
        return int(struct.unpack_from("<Q", ending, zip64 + 40)[0])
    return int(struct.unpack_from("<I", ending, at + 12)[0])
