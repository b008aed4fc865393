"""Space set aside in the data folder, so that a full disk can be emptied: a removal writes before anything is freed."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import apsw

from recalld.domain.errors import FULL_ERRNOS
from recalld.infra.logs import get_logger

FILE_NAME = "reserve"
_BLOCK_BYTES = 1 << 18
log = get_logger("recalld.store")


class Reserve:
    """A file of ``size`` bytes that only occupies space; empty while its space is used. For one thread at a time; every method
    waits for the disk."""

    def __init__(self, folder: Path, size: int) -> None:
        """``size`` 0: there shall be none."""
        self.size = size
        self._path = folder / FILE_NAME

    def reserved(self) -> int:
        """Bytes that are set aside."""
        return self._path.stat().st_size if self._path.exists() else 0

    def is_used(self) -> bool:
        """True from ``release`` until ``keep`` has set the space aside again; a restart does not change it."""
        return self.size > 0 and self._path.exists() and not self.reserved()

    def free(self) -> int:
        """Bytes of the disk that are free for this user."""
        return shutil.disk_usage(self._path.parent).free

    def keep(self) -> bool:
        """Set the space aside if it is not, and as much is left beside it; True: it is set aside."""
        if not self.size:
            self._path.unlink(missing_ok=True)
            return True
        if self.reserved() >= self.size:
            return True
        if self.free() < 2 * self.size:
            return False
        was_there = self._path.exists()
        try:
            _allocate(self._path, self.size)
        except OSError as refused:  # a quota, or somebody was faster
            with contextlib.suppress(OSError):
                os.truncate(self._path, 0) if was_there else self._path.unlink()
            log.warning("disk reserve not allocated", error=str(refused), path=str(self._path))
            return False
        return True

    def release(self) -> bool:
        """Give the space back; False: there is none to give."""
        if not self.reserved():
            return False
        file = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(file, 0)
            os.fsync(file)  # some file systems free the space only then
        finally:
            os.close(file)
        log.warning("disk full: disk reserve released", path=str(self._path))
        return True


def _allocate(path: Path, size: int) -> None:
    """Have ``size`` bytes that are really taken. Raises ``OSError``."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if hasattr(os, "posix_fallocate"):  # macOS has none
            os.posix_fallocate(file, 0, size)
        if os.fstat(file).st_blocks * 512 < size:
            block = os.urandom(_BLOCK_BYTES)  # zeros may be compressed away
            for start in range(0, size, _BLOCK_BYTES):
                os.pwrite(file, block[: size - start], start)
        os.fsync(file)
    finally:
        os.close(file)


def is_full(refused: apsw.Error, os_error: int = 0) -> bool:
    """True if what SQLite refused was refused by a full disk or a used-up quota. ``os_error``: the system's errno."""
    if not isinstance(refused, apsw.IOError):
        return isinstance(refused, apsw.FullError)
    # The index of the write-ahead log grows by itself.
    grows = getattr(refused, "extendedresult", None) == apsw.SQLITE_IOERR_SHMSIZE
    return grows or os_error in FULL_ERRNOS
