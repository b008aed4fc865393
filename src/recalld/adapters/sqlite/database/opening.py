"""How the primary process opens a store's file, in a folder that is locked for it."""

from __future__ import annotations

from pathlib import Path

import apsw

from .connection import check_not_truncated, connect, to_domain_error
from .data_dir import prepare_data_dir
from .migration import migrate, remove_copies, restore_missing_tables


def open_primary(path: Path) -> tuple[apsw.Connection, apsw.Connection]:
    """The writer's and the checkpointer's connection to a store, created if it is new and migrated if it is old.

    Raises what ``Store`` raises. Blocking.
    """
    prepare_data_dir(path)
    opened: list[apsw.Connection] = []
    try:
        opened.append(connect(path, readonly=False))
        check_not_truncated(opened[0], path)
        migrated = migrate(opened[0], path)
        restore_missing_tables(opened[0], path)
        opened.append(connect(path, readonly=False))
        if not migrated:
            remove_copies(path)
    except BaseException as failed:
        for c in opened:
            c.close(True)
        if isinstance(failed, apsw.Error):
            raise to_domain_error(failed, path) from failed
        raise
    return opened[0], opened[1]
