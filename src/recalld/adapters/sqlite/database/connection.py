"""Connections to the database file, the lock of its folder, and SQLite's errors as ours."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import apsw

from recalld.domain.errors import (
    FULL_ERRNOS,
    Busy,
    Conflict,
    Corrupt,
    Denied,
    Invalid,
    RecalldError,
    Upstream,
    disk_full,
)
from recalld.infra.file_permissions import make_folder, tighten_open

from .reserve import is_full

PAGE_BYTES = 4_096
WAL_SIZE_LIMIT_BYTES = 4 << 20
BUSY_MS = 2_000
PAGE_CACHE_KIB = 16_384
READER_CACHE_KIB = 4_096
MMAP_BYTES = 32 << 20
"""For readers, whose cost is copying pages. The writer has its page cache; a memory map would only count twice."""
STORE_FAILURES = (
    apsw.FullError,
    apsw.IOError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.NoMemError,
    apsw.ReadOnlyError,
)
"""Errors that mean the store has failed, not the call."""
LOCK_FILE = "lock"


def connect(path: Path, *, readonly: bool) -> apsw.Connection:
    """A configured connection. Raises apsw's errors."""
    flags = apsw.SQLITE_OPEN_READONLY if readonly else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    c = apsw.Connection(str(path), flags=flags, statementcachesize=200)
    c.set_busy_timeout(BUSY_MS)
    # A statement stops at its first row until it is read to the end: fetchall, or the pragmas behind it never run.
    for pragma in (
        f"cache_size = -{READER_CACHE_KIB if readonly else PAGE_CACHE_KIB}",
        "temp_store = MEMORY",
        f"mmap_size = {MMAP_BYTES if readonly else 0}",
    ):
        c.execute(f"PRAGMA {pragma}").fetchall()
    if readonly:
        c.execute("PRAGMA query_only = 1").fetchall()
        return c
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = 0",
        "wal_autocheckpoint = 0",
        f"journal_size_limit = {WAL_SIZE_LIMIT_BYTES}",
        # What is deleted is overwritten in the file, not only forgotten.
        "secure_delete = 1",
    ):
        c.execute(f"PRAGMA {pragma}").fetchall()
    return c


def check_not_truncated(c: apsw.Connection, path: Path) -> None:
    """Refuse a file that has lost whole pages. Raises ``Corrupt``."""
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists() and wal.stat().st_size:
        return  # pages that the file lacks may be in it
    size, pages = int(str(c.pragma("page_size"))), int(str(c.pragma("page_count")))
    size_bytes = path.stat().st_size
    if pages * size - size_bytes >= size:
        raise Corrupt(
            f"{path} is cut short: it holds {size_bytes:,} of {pages * size:,} bytes",
            remedy="restore a backup; a copy of this file may still be read in part by sqlite3 with .recover",
        )


def lock_data_dir(folder: Path) -> int:
    """Lock a data folder (created if missing, mode 0700) for this process. The lock ends with the process, however it ends.

    Raises ``Conflict`` while another process has it; ``Invalid``, ``Denied`` and ``Upstream`` where the folder cannot be
    used.
    """
    try:
        make_folder(folder)
        file = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as refused:
        raise data_dir_error(folder, refused) from refused
    tighten_open(file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as locked:
        os.close(file)
        raise Conflict(
            f"another recalld has {folder} open",
            remedy="stop it, or give this one another data folder",
            code="FAILED_PRECONDITION",
        ) from locked
    except OSError as refused:
        os.close(file)
        raise Upstream(
            f"{folder} cannot be locked: {refused.strerror}",
            remedy="put the data folder on a file system that has locks (flock)",
        ) from refused
    return file


def data_dir_error(folder: Path, refused: OSError) -> RecalldError:
    """Why a data folder cannot be used, as an error of ours."""
    if refused.errno in {errno.EACCES, errno.EPERM}:
        return Denied(
            f"this user may not read and write the data folder {folder}: {refused.strerror}",
            remedy="chown or chmod it, or choose another folder with `data`",
        )
    if refused.errno == errno.EROFS:
        return Upstream(
            f"the data folder {folder} lies on a read-only file system",
            remedy="mount it writable, or choose another folder with `data`",
        )
    if refused.errno in {errno.EEXIST, errno.ENOTDIR}:
        return Invalid(
            f"the data folder {folder} cannot be made: {folder if folder.exists() else 'one of its parents'} is a file",
            remedy="choose another folder with `data`",
        )
    if refused.errno in FULL_ERRNOS:
        return disk_full(f"the disk of {folder} is full")
    return Upstream(
        f"the data folder {folder} cannot be used: {refused.strerror}", remedy="choose another folder with `data`"
    )


def to_domain_error(refused: apsw.Error, path: Path) -> RecalldError:
    """What an error of SQLite means to callers."""
    if is_full(refused):
        return disk_full()
    if isinstance(refused, apsw.CorruptError | apsw.NotADBError) or "vtable constructor failed" in str(refused):
        return Corrupt(
            f"{path} is damaged: {refused}",
            remedy="`check` tells what is lost, `repair` rebuilds what can be rebuilt; else restore a backup",
        )
    if isinstance(refused, apsw.BusyError | apsw.LockedError):
        return Busy(f"{path} is in use by another program", retry_after_s=0.5)
    if isinstance(refused, apsw.ReadOnlyError):
        return Upstream(
            f"{path} cannot be written ({refused}): it or its disk is read-only",
            remedy="make the file and its folder writable",
        )
    if isinstance(refused, apsw.CantOpenError):
        return Upstream(f"{path} cannot be opened", remedy="check that the file and its folder can be read and written")
    if isinstance(refused, apsw.ConstraintError):
        return Conflict(f"two changes of {path.name} exclude each other: {refused}", remedy="read again, and try again")
    return Upstream(f"{path} could not be used: {refused}", remedy="check the disk and the folder's permissions")


def not_text(path: Path) -> Corrupt:
    """Text that is stored as UTF-8 is none any more."""
    return Corrupt(
        f"{path} is damaged: a text in it is not UTF-8",
        remedy="`check` tells which; remove or write it again, or restore a backup",
    )


def translate_error(failure: BaseException | None, path: Path) -> BaseException | None:
    """An SQLite error of a single call as an error of ours; any other exception unchanged."""
    if not isinstance(failure, apsw.Error | UnicodeDecodeError):
        return failure
    ours = to_domain_error(failure, path) if isinstance(failure, apsw.Error) else not_text(path)
    ours.__cause__ = failure
    return ours
