"""How a store's owner opens its file, in a folder that is locked for it."""

from __future__ import annotations

from pathlib import Path

import apsw

from .connection import check_whole, connect, failure_of
from .data_dir import prepare
from .migration import mend_tables, migrate, remove_copies


def open_owned(path: Path) -> tuple[apsw.Connection, apsw.Connection]:
    """The writer's and the folder's connection to a store, made if it is new and brought to this version if it is old.

    Raises what ``Store`` does. Blocking.
    """
    prepare(path)
    opened: list[apsw.Connection] = []
    try:
        opened.append(connect(path, readonly=False))
        check_whole(opened[0], path)
        migrated = migrate(opened[0], path)
        mend_tables(opened[0], path)
        opened.append(connect(path, readonly=False))
        if not migrated:
            remove_copies(path)
    except BaseException as failed:
        for c in opened:
            c.close(True)
        if isinstance(failed, apsw.Error):
            raise failure_of(failed, path) from failed
        raise
    return opened[0], opened[1]
