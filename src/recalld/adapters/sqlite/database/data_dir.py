"""The data folder before its store is opened: required files, leftovers, permissions."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import apsw

from recalld.domain.errors import Conflict, Corrupt
from recalld.infra.file_permissions import OTHERS, make_folder, private_opener, tighten
from recalld.infra.logs import get_logger

from .connection import LOCK_FILE, data_dir_error
from .migration import copies
from .reserve import FILE_NAME as RESERVE

BLOBS = "blobs"
"""Contents too large for the database."""
UPLOADS = "uploads"
"""Uploaded files that are not imported yet."""
LOST_AND_FOUND = "lost+found"
"""Contents that the store never referenced, kept for 30 days."""
OWN_FOLDERS = (BLOBS, UPLOADS, LOST_AND_FOUND)
log = get_logger("recalld.store")


def prepare_data_dir(path: Path) -> None:
    """Make ready for opening the store ``path``, in a folder that is locked for this process. Blocking.

    Makes the file if this is a new store, closes what is the store's own to others, removes what a killed process left
    half sent. Raises ``Corrupt`` if the database is missing while there is content that belongs to one, ``Denied`` and
    ``Upstream`` where the file cannot be used.
    """
    check_database_present(path)
    try:
        with open(path, "ab", opener=private_opener):
            pass  # SQLite gives its other files the mode of this one
    except OSError as refused:
        raise data_dir_error(path, refused) from refused
    _restrict_permissions(path)
    for half in (path.parent / UPLOADS).glob("*.part"):
        half.unlink(missing_ok=True)


def check_database_present(path: Path) -> None:
    """Refuse to take a folder whose database has gone for a new store. Raises ``Corrupt``."""
    if not is_empty(path):
        return
    folder = path.parent
    wal = path.with_name(f"{path.name}-wal")
    contents = sum(1 for _ in content_files(folder / BLOBS))
    state = "empty" if path.exists() else "missing"
    backups = copies(path)
    if contents == 0 and not backups and (not wal.exists() or wal.stat().st_size == 0):
        return
    what = (
        f"{contents} files of content lie in {folder / BLOBS}"
        if contents
        else f"{(backups or [wal])[-1].name} is there"
    )
    back = f"put it back from a backup{f' or from {backups[-1].name}' if backups else ''}"
    raise Corrupt(
        f"{path} is {state}, but {what}: this is not a new store",
        remedy=f"{back}; to begin an empty store and keep the files in {LOST_AND_FOUND}/ for 30 days, "
        f"run `begin_new_store` {folder}",
    )


def is_empty(path: Path) -> bool:
    """True for a database that is missing, has no byte, or no table."""
    try:
        if path.stat().st_size == 0:
            return True
    except FileNotFoundError:
        return True
    except OSError as refused:
        raise data_dir_error(path.parent, refused) from refused
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists() and wal.stat().st_size > 0:
        return False  # tables may be in it
    try:
        c = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            return not c.execute("SELECT 1 FROM sqlite_schema").fetchall()
        finally:
            c.close()
    except apsw.Error:
        return False  # damaged, which opening tells


def content_files(blobs: Path) -> Iterator[Path]:
    """Contents in a blob folder."""
    return (p for p in blobs.glob("*/*/*") if not p.name.startswith("."))


def reset_data_dir(path: Path) -> int:
    """Move everything that belonged to a missing database to ``lost+found``, so that an empty store can be created in this
    folder; returns how many files. The folder must be locked for this process. Raises ``Conflict`` if the database
    exists."""
    if not is_empty(path):
        raise Conflict(
            f"{path} is a database with something in it",
            remedy="open it, or choose another folder with `data`",
            code="FAILED_PRECONDITION",
        )
    aside = path.parent / LOST_AND_FOUND
    make_folder(aside)
    moved = 0
    leftovers = [p for p in (path.with_name(f"{path.name}-wal"), *copies(path)) if p.exists() and p.stat().st_size]
    for file in (*content_files(path.parent / BLOBS), *leftovers):
        os.utime(file)  # it is kept for a while from now
        file.replace(aside / file.name)
        moved += 1
    for stale in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        stale.unlink(missing_ok=True)
    return moved


# ------------------------------------------------------------------ who may read it
def own_files(folder: Path) -> Iterator[Path]:
    """Everything in a data folder that is recalld's: the folder, the database and its companions, and all below its own
    folders."""
    yield folder
    yield folder / LOCK_FILE
    yield folder / RESERVE
    yield from folder.glob("recalld.db*")
    for name in OWN_FOLDERS:
        top = folder / name
        if top.is_dir() and not top.is_symlink():
            yield top
            yield from top.rglob("*")


def _restrict_permissions(path: Path) -> None:
    """Remove the permissions of others on the folder and its contents. Logs one warning where that is refused.

    Visits all contents only if the folder itself was accessible: otherwise they could not be reached.
    """
    folder = path.parent
    was_open = bool(folder.stat().st_mode & OTHERS)
    refused = [str(p) for p in folder.glob(f"{path.name}*") if not tighten(p)]
    if was_open:
        refused += [str(p) for p in own_files(folder) if p != folder and not tighten(p)]
        if not _is_shared(folder):
            refused += [] if tighten(folder) else [str(folder)]
        else:
            log.warning(
                "data folder has other files and keeps its permissions: use a separate folder",
                folder=str(folder),
            )
    if refused:
        log.warning(
            "data folder is readable by other users and its permissions cannot be changed",
            first=refused[0],
            count=len(refused),
            remedy=f"make this user its owner, or chmod -R go-rwx {folder}",
        )


def _is_shared(folder: Path) -> bool:
    """True for a folder that holds more than recalld's files, or that is meant for all (as /tmp is)."""
    own = {LOCK_FILE, RESERVE, *OWN_FOLDERS}
    return bool(folder.stat().st_mode & stat.S_ISVTX) or any(
        p.name not in own and not p.name.startswith("recalld.") for p in folder.iterdir()
    )


__all__ = ["BLOBS", "LOST_AND_FOUND", "UPLOADS", "reset_data_dir", "prepare_data_dir"]
