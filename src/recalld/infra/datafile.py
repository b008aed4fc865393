"""A store's file: how it is opened, locked, brought up to date, and what its failures mean."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import apsw

from recalld.domain.errors import Busy, Conflict, Corrupt, RecalldError, Upstream

from .schema import MIGRATIONS, SCHEMA_VERSION

WAL_KEPT_BYTES = 16 << 20
BUSY_MS = 2_000
PAGE_CACHE_KIB = 16_384
READER_CACHE_KIB = 4_096
MMAP_BYTES = 32 << 20
"""For readers, whose cost is copying pages. The writer has its page cache: a second map would only count twice."""
BROKEN = (apsw.FullError, apsw.IOError, apsw.CorruptError, apsw.NotADBError, apsw.NoMemError, apsw.ReadOnlyError)
"""What says that the store, not the call, has failed."""


def connect(path: Path, *, readonly: bool) -> apsw.Connection:
    """A connection set up the way every one of ours is."""
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
        f"journal_size_limit = {WAL_KEPT_BYTES}",
    ):
        c.execute(f"PRAGMA {pragma}").fetchall()
    return c


def hold(folder: Path) -> int:
    """Lock a data folder for this process; the lock goes with the process, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as held:
        os.close(file)
        raise Conflict(
            f"another recalld has {folder} open",
            remedy="stop it, or give this one another data folder",
            code="FAILED_PRECONDITION",
        ) from held
    return file


def migrate(c: apsw.Connection, path: Path) -> None:
    """Bring a store to this version, one step and one transaction at a time. A newer one is refused untouched."""
    version = int(str(c.pragma("user_version")))
    if version > SCHEMA_VERSION:
        raise Conflict(
            f"{path} was written by a newer recalld (schema {version}, this one knows {SCHEMA_VERSION})",
            remedy="upgrade recalld, or open another data folder",
            code="FAILED_PRECONDITION",
        )
    for step in range(version + 1, SCHEMA_VERSION + 1):
        with c:
            for _ in c.execute(MIGRATIONS[step]):
                pass
            c.execute(f"PRAGMA user_version = {step}")


def failure_of(refused: apsw.Error, path: Path) -> RecalldError:
    """What a failure of the store means to its callers."""
    if isinstance(refused, apsw.FullError):
        return Upstream("the disk is full: nothing was written", remedy="free some space; reading goes on meanwhile")
    if isinstance(refused, apsw.CorruptError | apsw.NotADBError):
        return Corrupt(f"{path} is damaged: {refused}", remedy="run recalld doctor, or restore a backup")
    if isinstance(refused, apsw.BusyError | apsw.LockedError):
        return Busy(f"{path} is in use by another program", retry_after_s=0.5)
    return Upstream(f"{path} could not be used: {refused}", remedy="check the disk and the folder's permissions")
