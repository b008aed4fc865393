"""Migrates a store's tables to this version: a copy first, one transaction a step, checked at every start."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import apsw

from recalld.domain.errors import Conflict, Corrupt, Upstream
from recalld.infra.file_permissions import private_opener
from recalld.infra.logs import get_logger

from .connection import to_domain_error
from .nfc_names import normalize_names
from .schema import MIGRATIONS, SCHEMA_VERSION

SPARE_BYTES = 64 << 20
"""Free space a migration may need beside the copy."""
DISPOSABLE = frozenset({"spent", "made", "job_done", "unembedded", "tier", "vector", "refused", "damaged", "released"})
"""Tables whose loss costs work or statistics, and no content: created empty where they are missing."""
REBUILD_LEXICON = "rebuild_lexicon"
"""In ``meta``: the last chunk that full text holds again, while it is being rebuilt."""
_CODE_STEPS: Mapping[int, Callable[[apsw.Connection], object]] = {5: normalize_names}
"""Code that belongs to a step beside its statements, in the same transaction."""
FULL_TEXT = ("fts", "fts_row", "fts_place")
log = get_logger("recalld.store")


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def migrate(
    c: apsw.Connection,
    path: Path,
    *,
    steps: Mapping[int, str] = MIGRATIONS,
    free_bytes: Callable[[Path], int] = _free_bytes,
) -> bool:
    """Bring a store to the newest version, one step and one transaction at a time; True if it was an older one.

    An older store is copied first (``copy_of``), so a killed or failed migration leaves the store as it was, or at a
    version from which the next start goes on. Raises ``Conflict`` for a newer store and for another program's database,
    which stay untouched, and ``Upstream`` where there is no space for the copy.
    """
    newest = max(steps)
    version = int(str(c.pragma("user_version")))
    if version > newest:
        raise Conflict(
            f"{path} was written by a newer recalld (schema {version}, this one knows {newest})",
            remedy="upgrade recalld, or open another data folder",
            code="FAILED_PRECONDITION",
        )
    tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    if version == 0 and c.execute(tables).fetchall():
        raise Conflict(
            f"{path} is the database of another program",
            remedy="open another data folder",
            code="FAILED_PRECONDITION",
        )
    if 0 < version < newest:
        _copy(c, path, version, free_bytes)
    for step in range(version + 1, newest + 1):
        with c:
            for _ in c.execute(steps[step]):
                pass
            if step in _CODE_STEPS and version:
                _CODE_STEPS[step](c)
            c.execute(f"PRAGMA user_version = {step}")
    return 0 < version < newest


def copy_of(path: Path, version: int) -> Path:
    """Where the copy of a store of this version lies while it is being migrated."""
    return path.with_name(f"{path.name}.schema-{version}")


def copies(path: Path) -> list[Path]:
    """Copies that migrations made, oldest version first; unfinished ones are not among them."""
    found = path.parent.glob(f"{path.name}.schema-*")
    return sorted(p for p in found if p.suffix.removeprefix(".schema-").isdigit())


def remove_copies(path: Path) -> None:
    """Remove copies made before migrations: a later start has succeeded."""
    for copy in path.parent.glob(f"{path.name}.schema-*"):
        copy.unlink(missing_ok=True)
        log.info("pre-migration copy deleted", file=copy.name)


def _copy(c: apsw.Connection, path: Path, version: int, free_bytes: Callable[[Path], int]) -> None:
    """Copy the store as it is: a copy has its name only once it is complete and on disk."""
    need = int(str(c.pragma("page_count"))) * int(str(c.pragma("page_size"))) + SPARE_BYTES
    free = free_bytes(path.parent)
    if free < need:
        raise Upstream(
            f"{path} has to be migrated (schema {version} to {SCHEMA_VERSION}) and is copied first: that needs "
            f"{need / 1e6:.0f} MB, {free / 1e6:.0f} MB are free",
            remedy="free some space, or move the data folder to a larger disk; the store is untouched",
        )
    copy = copy_of(path, version)
    part = copy.with_name(f"{copy.name}.part")
    part.unlink(missing_ok=True)
    try:
        with open(part, "xb", opener=private_opener):
            pass  # SQLite fills an empty file, and keeps its mode
        c.execute("VACUUM INTO ?", (str(part),)).fetchall()
        _sync(part)
        part.replace(copy)
        _sync(path.parent)
    except (apsw.Error, OSError) as failed:
        part.unlink(missing_ok=True)
        if isinstance(failed, apsw.Error):
            raise to_domain_error(failed, path) from failed
        raise Upstream(
            f"{path} could not be copied before its migration: {failed.strerror}", remedy="check the disk"
        ) from failed
    log.info("store copied before migration", file=copy.name, schema=version)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# ------------------------------------------------------------------ the tables of a version
def restore_missing_tables(c: apsw.Connection, path: Path) -> list[str]:
    """Make what is missing of this version's tables and can be made again; returns its names.

    Indexes and disposable tables are made again, full text and vectors listed for rebuilding. Raises ``Corrupt`` where a
    table with content, or a column, is missing.
    """
    model = apsw.Connection(":memory:")
    for step in sorted(MIGRATIONS):
        model.execute(MIGRATIONS[step]).fetchall()
    wanted, found = _shape(model), _shape(c)
    lacking = sorted(set(wanted) - set(found))
    lost = [
        name for name in lacking if wanted[name][0] == "table" and not (name in DISPOSABLE or name.startswith("fts"))
    ]
    narrow = [
        f"{name}.{column}"
        for name in sorted(set(wanted) & set(found) - set(lacking))
        for column in sorted(wanted[name][2] - found[name][2])
        if not name.startswith("fts")
    ]
    if lost or narrow:
        raise Corrupt(
            f"{path} lacks {', '.join(lost + narrow)} of schema {SCHEMA_VERSION}: it is damaged, or an unreleased "
            "recalld wrote it",
            remedy="restore a backup, or export it with the version that wrote it",
        )
    if lacking:
        # Tables that SQLite keeps full text in: without them there is no dropping it.
        damaged = any(name.startswith("fts_") and name not in FULL_TEXT for name in lacking if name in wanted)
        _recreate(c, lacking, wanted, damaged=damaged)
        log.warning("missing tables or indexes recreated", names=lacking)
    return lacking


Shape = dict[str, tuple[str, str, frozenset[str]]]
"""Per name: table, index or trigger, its SQL, its columns."""


def _recreate(c: apsw.Connection, lacking: list[str], wanted: Shape, *, damaged: bool) -> None:
    with c:
        if any(name.startswith("fts") for name in lacking):
            recreate_lexicon(c, damaged=damaged)
        for kind in ("table", "index", "trigger"):
            for name in lacking:
                if wanted[name][0] == kind and wanted[name][1] and not name.startswith("fts"):
                    c.execute(wanted[name][1]).fetchall()
        if {"vector", "unembedded"} & set(lacking):
            restart_backfill(c)


def restart_backfill(c: apsw.Connection) -> None:
    """List every chunk without a vector for embedding again."""
    c.execute("UPDATE model SET listed_to = 0 WHERE place > 0").fetchall()


def recreate_lexicon(c: apsw.Connection, *, damaged: bool = False) -> None:
    """Replace full text by an empty one that is to be filled again from the chunks.

    Raises apsw's ``CorruptError`` where it cannot be dropped: roll back, and say ``damaged``.
    """
    for name in FULL_TEXT[::-1]:
        _drop(c, name, damaged)
    for statement in _full_text_sql():
        c.execute(statement).fetchall()
    c.execute("DELETE FROM meta WHERE key = 'fts_dropped'").fetchall()
    c.execute("INSERT OR REPLACE INTO meta VALUES (?, 0)", (REBUILD_LEXICON,)).fetchall()


def recreate_vectors(c: apsw.Connection, *, damaged: bool = False) -> None:
    """Replace the vectors by none, with every chunk to be embedded again. ``damaged``: as for ``recreate_lexicon``."""
    model = apsw.Connection(":memory:")
    for step in sorted(MIGRATIONS):
        model.execute(MIGRATIONS[step]).fetchall()
    _drop(c, "vector", damaged)
    for (sql,) in model.execute("SELECT sql FROM sqlite_schema WHERE tbl_name = 'vector' AND sql IS NOT NULL"):
        c.execute(sql).fetchall()
    # Caches follow vectors by id within an epoch: ids begin again.
    c.execute("UPDATE owner SET epoch = epoch + 1").fetchall()
    restart_backfill(c)


def _drop(c: apsw.Connection, name: str, damaged: bool) -> None:
    """Drop a table. One whose pages are too damaged for that loses its name: the next VACUUM frees its pages."""
    if not damaged:
        c.execute(f"DROP TABLE IF EXISTS {name}").fetchall()
        return
    shadows = f" OR tbl_name GLOB '{name}_*'" if name == "fts" else ""
    c.execute("PRAGMA writable_schema = 1").fetchall()
    try:
        c.execute(f"DELETE FROM sqlite_schema WHERE tbl_name = '{name}'{shadows}").fetchall()
    finally:
        c.execute("PRAGMA writable_schema = RESET").fetchall()


def _full_text_sql() -> list[str]:
    """The statements of the schema that make full text, in their order."""
    statements = [s.strip() for sql in MIGRATIONS.values() for s in _statements(sql)]
    return [s for s in statements if "TABLE fts" in s.split("(")[0] or s.startswith("INSERT INTO fts (fts")]


def _statements(sql: str) -> list[str]:
    lines = [line for line in sql.splitlines() if not line.lstrip().startswith("--")]
    return "\n".join(lines).split(";\n")


def _shape(c: apsw.Connection) -> Shape:
    found: Shape = {}
    rows = c.execute(
        "SELECT name, type, coalesce(sql, '') FROM sqlite_schema WHERE type IN ('table', 'index', 'trigger') "
        "AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    for name, kind, sql in ((str(n), str(k), str(s)) for n, k, s in rows):
        columns: frozenset[str] = frozenset()
        if kind == "table" and not name.startswith("fts"):
            columns = frozenset(str(r[1]) for r in c.execute(f'PRAGMA table_info("{name}")'))
        found[name] = (kind, sql, columns)
    return found
