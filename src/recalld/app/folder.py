"""Operations on a data folder while no store is open in it."""

from __future__ import annotations

import os
from pathlib import Path

from recalld.adapters.sqlite.database import connection, data_dir, reserve
from recalld.adapters.sqlite.ledger.ledger import FILE_NAME
from recalld.domain.errors import NotFound
from recalld.infra import file_permissions


def check_there(data: Path) -> None:
    """Raise ``NotFound`` if a data folder has no store, and the errors of opening it if it is unusable."""
    try:
        empty = not any(data.iterdir())
    except FileNotFoundError:
        empty = True
    except OSError as refused:
        raise connection.data_dir_error(data, refused) from refused
    if empty:
        raise NotFound(f"there is no store in {data}", remedy="give its folder with `data`")


def begin_new_store(data: Path) -> int:
    """Set aside the files of a store whose database is missing or empty; returns how many. Blocking.

    Raises ``Conflict`` if the database is there, or if another process has the folder open.
    """
    lock = connection.lock_data_dir(data)
    try:
        return data_dir.reset_data_dir(data / FILE_NAME)
    finally:
        os.close(lock)


def loose_files(data: Path) -> list[Path]:
    """Return files and folders of a store that other users of this machine may read or write. Blocking."""
    return list(file_permissions.accessible_to_others(data_dir.own_files(data))) if data.is_dir() else []


def reserve_bytes(data: Path) -> int | None:
    """Return the bytes set aside for removals (0: in use); None: never set aside. Blocking."""
    file = data / reserve.FILE_NAME
    return file.stat().st_size if file.exists() else None
