"""Folders and files that only their owner can read, whatever the umask."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o600
OTHERS = 0o077
"""What group and others may do."""


def make_folder(path: Path) -> None:
    """Make a folder with mode 0700; its missing parents are made as the umask says. One that is there stays as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=FOLDER_MODE)
    except FileExistsError:
        if not path.is_dir():
            raise
        return
    path.chmod(FOLDER_MODE)  # an umask may have taken the owner's own bits


def private_opener(path: str, flags: int) -> int:
    """For ``open(..., opener=)``: a file that is made gets mode 0600."""
    file = os.open(path, flags, FILE_MODE)
    if flags & os.O_CREAT:
        tighten_open(file)
    return file


def tighten_open(file: int) -> None:
    """Set an open file's mode to 0600 where it is ours and wider (or narrower)."""
    found = os.fstat(file)
    if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) != FILE_MODE:
        try:
            os.fchmod(file, FILE_MODE)
        except OSError:
            return  # a file system without modes: ``accessible_to_others`` tells of it


def tighten(path: Path) -> bool:
    """Take away what group and others may do with a file or folder. False where that is refused; links are left alone."""
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode) or not found.st_mode & OTHERS:
            return True
        path.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)
        return not path.lstat().st_mode & OTHERS  # some file systems accept and forget
    except FileNotFoundError:
        return True
    except OSError:
        return False


def accessible_to_others(paths: Iterator[Path]) -> Iterator[Path]:
    """Those of ``paths`` that group or others may read or write."""
    for path in paths:
        try:
            mode = path.lstat().st_mode
        except OSError:
            continue
        if not stat.S_ISLNK(mode) and mode & 0o066:
            yield path
