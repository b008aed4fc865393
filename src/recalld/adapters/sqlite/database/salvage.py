"""Tables and indexes of a store with damaged pages: made again from what can still be read of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import apsw

from .connection import connect
from .schema import MIGRATIONS
from .sql import fetch_all, fetch_one

CHUNKS, TIERS = "chunk", "tier"
"""Tables that salvage may lose rows of: they are made again from contents."""
STRETCH = 500
"""Row ids one slice takes: about 5 ms, four times as much where none of them can be read."""
_COUNTED = frozenset({"blob", "segment"})
"""Their bytes are compared with hashes elsewhere: only their rows are counted here."""
_DAMAGED = "{}_damaged"
_CURSOR, _END = "salvaged_{}", "salvage_{}_to"
_LIVES = {
    CHUNKS: "EXISTS (SELECT 1 FROM node n WHERE n.id = k.node AND n.owner = k.owner)",
    TIERS: "EXISTS (SELECT 1 FROM node n WHERE n.id = k.node)",
}


# ------------------------------------------------------------------ what is damaged
def unreadable(path: Path) -> tuple[list[str], list[str]]:
    """Tables and indexes with pages that cannot be read, full text left out. Reads each once."""
    with closing(connect(path, readonly=True)) as c:
        return _unreadable(c)


def _unreadable(c: apsw.Connection) -> tuple[list[str], list[str]]:
    found = fetch_all(
        c,
        "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema WHERE rootpage > 0 "
        "AND tbl_name NOT GLOB 'fts*' AND tbl_name NOT GLOB 'sqlite_*' AND tbl_name NOT GLOB '*_damaged'",
    )
    without_rowid = {name for kind, name, _, sql in found if kind == "table" and "WITHOUT ROWID" in sql.upper()}
    tables = [
        name
        for kind, name, _, _ in found
        if kind == "table" and not _reads(c, _all_of(c, name, without_rowid=name in without_rowid))
    ]
    indexes = [
        name
        for kind, name, table, sql in found
        if kind == "index" and (sql or table not in without_rowid) and not _reads(c, _entries(name, table, sql))
    ]
    return tables, indexes


def _all_of(c: apsw.Connection, table: str, *, without_rowid: bool) -> str:
    columns = [str(row[1]) for row in c.execute(f'PRAGMA table_info("{table}")')]
    lengths = " + ".join(f'coalesce(length(CAST("{column}" AS BLOB)), 0)' for column in columns)
    what = "count(*)" if table in _COUNTED else f"total({lengths})"
    return f'SELECT {what} FROM "{table}"{"" if without_rowid else " NOT INDEXED"}'


def _entries(index: str, table: str, sql: str) -> str:
    _, _, condition = sql.partition(" WHERE ")
    # Alone, count(*) is counted in the smallest index, whichever is named.
    return f'SELECT count(*), 1 FROM "{table}" INDEXED BY "{index}"' + (f" WHERE {condition}" if condition else "")


def _reads(c: apsw.Connection, sql: str, values: tuple[int, ...] = ()) -> bool:
    """On a connection without a transaction, which a damaged page would break."""
    try:
        c.execute(sql, values).fetchall()
    except apsw.CorruptError:
        return False
    return True


# ------------------------------------------------------------------ indexes
def remake_indexes(c: apsw.Connection, names: list[str]) -> None:
    """Make damaged indexes again from their tables. The damaged pages are freed by the next VACUUM.

    Raises apsw's ``CorruptError`` where a table is damaged too.
    """
    for name in names:
        found = fetch_all(c, "SELECT tbl_name, sql FROM sqlite_schema WHERE type = 'index' AND name = ?", (name,))
        for table, sql in found:
            if sql is None:
                _remake_constraint(c, name, table)
            else:
                _edit_schema(c, "DELETE FROM sqlite_schema WHERE type = 'index' AND name = ?", (name,))
                c.execute(sql).fetchall()


def _remake_constraint(c: apsw.Connection, name: str, table: str) -> None:
    """The index behind UNIQUE or PRIMARY KEY cannot be dropped: it is given the pages of a new one of the same columns."""
    columns = ", ".join(f'"{row[2]}"' for row in c.execute(f'PRAGMA index_info("{name}")'))
    new_index = "index_remade"
    c.execute(f'CREATE INDEX {new_index} ON "{table}" ({columns})').fetchall()
    (root,) = fetch_one(c, "SELECT rootpage FROM sqlite_schema WHERE name = ?", (new_index,))
    _edit_schema(c, "DELETE FROM sqlite_schema WHERE name = ?", (new_index,))
    _edit_schema(c, "UPDATE sqlite_schema SET rootpage = ? WHERE name = ?", (root, name))


def _edit_schema(c: apsw.Connection, sql: str, values: tuple[object, ...]) -> None:
    c.execute("PRAGMA writable_schema = 1").fetchall()
    try:
        c.execute(sql, values).fetchall()
    finally:
        c.execute("PRAGMA writable_schema = RESET").fetchall()


# ------------------------------------------------------------------ tables
def begin_salvage(c: apsw.Connection, table: str) -> None:
    """Put a damaged derived table aside and an empty one in its place, to be filled by ``salvage``. One that is being
    salvaged already goes on."""
    if salvaging(c, table):
        return
    ids = table if table == CHUNKS else "node"
    (last,) = fetch_one(c, "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?", (ids,))
    _edit_schema(c, "DELETE FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?", (table,))
    c.execute(f"ALTER TABLE {table} RENAME TO {_DAMAGED.format(table)}").fetchall()
    for sql in _statements_of(table):
        c.execute(sql).fetchall()
    if table == CHUNKS:
        c.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, last))  # ids only ever grow
        c.execute("UPDATE owner SET chunks = 0, terms = 0, epoch = epoch + 1")
    for key, value in ((_CURSOR, 0), (_END, last)):
        c.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key.format(table), value))


def _statements_of(table: str) -> list[str]:
    model = apsw.Connection(":memory:")
    for step in sorted(MIGRATIONS):
        model.execute(MIGRATIONS[step]).fetchall()
    found = fetch_all(
        model, "SELECT sql FROM sqlite_schema WHERE tbl_name = ? AND sql IS NOT NULL ORDER BY type DESC", (table,)
    )
    return [sql for (sql,) in found]


def salvaging(c: apsw.Connection, table: str) -> bool:
    """Whether a table put aside is still to be gone through."""
    return bool(fetch_all(c, "SELECT 1 FROM meta WHERE key = ?", (_CURSOR.format(table),)))


@dataclass(frozen=True, slots=True)
class Stretch:
    """The next ids of a damaged table: from ``low`` to ``high``, those ``readable``, and where the table ends."""

    low: int
    high: int
    end: int
    readable: tuple[tuple[int, int], ...]


def next_stretch(path: Path, table: str) -> Stretch:
    """What ``salvage`` does next."""
    with closing(connect(path, readonly=True)) as c:
        values = dict(fetch_all(c, "SELECT key, value FROM meta WHERE key GLOB 'salvage*'"))
        low, end = values[_CURSOR.format(table)] + 1, values[_END.format(table)]
        high = min(low + STRETCH - 1, end)
        return Stretch(low, high, end, tuple(_readable(c, table, low, high)))


def _readable(c: apsw.Connection, table: str, low: int, high: int) -> Iterator[tuple[int, int]]:
    lengths = _all_of(c, _DAMAGED.format(table), without_rowid=False)
    todo = [(low, high)] if low <= high else []
    while todo:
        low, high = todo.pop()
        if _reads(c, f"{lengths} WHERE rowid BETWEEN ? AND ?", (low, high)):
            yield low, high
        elif low < high:
            middle = (low + high) // 2
            todo += [(middle + 1, high), (low, middle)]


def salvage(c: apsw.Connection, table: str, stretch: Stretch) -> bool:
    """Take over the rows that can be read; False: that were all, and the damaged table is gone.

    How far it has come is kept with the rows. Rows that cannot be read are lost with what hangs on them.
    """
    low, high, end = stretch.low, stretch.high, stretch.end
    columns = ", ".join(f'"{row[1]}"' for row in c.execute(f'PRAGMA table_info("{table}")'))
    for between in stretch.readable:
        c.execute(
            f"INSERT OR IGNORE INTO {table} ({columns}) SELECT {columns} FROM {_DAMAGED.format(table)} k NOT INDEXED "
            f"WHERE rowid BETWEEN ? AND ? AND {_LIVES[table]}",
            between,
        ).fetchall()
    if table == CHUNKS:
        _settle_chunks(c, low, high)
    c.execute("UPDATE meta SET value = ? WHERE key = ?", (high, _CURSOR.format(table)))
    if high < end:
        return True
    for key in (_CURSOR, _END):
        c.execute("DELETE FROM meta WHERE key = ?", (key.format(table),))
    c.execute("DELETE FROM sqlite_sequence WHERE name = ?", (_DAMAGED.format(table),))
    _edit_schema(c, "DELETE FROM sqlite_schema WHERE tbl_name = ?", (_DAMAGED.format(table),))
    c.execute("UPDATE owner SET epoch = epoch + 1")  # caches followed what came meanwhile, not what came back
    return False


def _settle_chunks(c: apsw.Connection, low: int, high: int) -> None:
    """Count what was taken over, and drop what hangs on the chunks that were not."""
    between = "BETWEEN ? AND ?"
    gone = "NOT IN (SELECT id FROM chunk WHERE id BETWEEN ? AND ?)"
    counted = fetch_all(
        c, f"SELECT owner, count(*), sum(length) FROM chunk WHERE id {between} GROUP BY owner", (low, high)
    )
    for partition_id, chunks, terms in counted:
        c.execute("UPDATE owner SET chunks = chunks + ?, terms = terms + ? WHERE id = ?", (chunks, terms, partition_id))
    for table in ("vector", "unembedded", "refused"):
        c.execute(f"DELETE FROM {table} WHERE chunk {between} AND chunk {gone}", (low, high, low, high))
    for (lost,) in fetch_all(c, f"SELECT id FROM fts_docsize WHERE id {between} AND id {gone}", (low, high, low, high)):
        c.execute("DELETE FROM fts WHERE rowid = ?", (lost,))
