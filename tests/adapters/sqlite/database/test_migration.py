"""Migration: copied first, resumed after a kill, verified at start."""

from __future__ import annotations

import os
from pathlib import Path

import apsw
import pytest

from recalld.adapters.sqlite.database.connection import connect
from recalld.adapters.sqlite.database.migration import (
    copies,
    copy_of,
    migrate,
    recreate_lexicon,
    recreate_vectors,
    restore_missing_tables,
)
from recalld.adapters.sqlite.database.schema import MIGRATIONS, SCHEMA_VERSION
from recalld.adapters.sqlite.database.store import Store
from recalld.domain.errors import Conflict, Corrupt, Upstream

pytestmark = pytest.mark.loop_may_block  # no loop here

NEXT = {
    **MIGRATIONS,
    SCHEMA_VERSION + 1: "CREATE TABLE next (a); INSERT INTO next SELECT key FROM meta; ALTER TABLE meta ADD COLUMN b",
    SCHEMA_VERSION + 2: "INSERT INTO next VALUES ('two'); CREATE INDEX next_a ON next (a)",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed store of this version with a row in it."""
    store = tmp_path / "recalld.db"
    Store(store).close()
    c = connect(store, readonly=False)
    c.execute("INSERT INTO meta VALUES ('kept', 'words')").fetchall()
    c.close()
    return store


def rows(path: Path) -> list[tuple[object, ...]]:
    c = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return [tuple(r[:2]) for r in c.execute("SELECT * FROM meta")]
    finally:
        c.close()


def shape(c: apsw.Connection) -> set[tuple[str, str]]:
    return set(c.execute("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'"))


# ------------------------------------------------------------------ the copy
def test_an_older_store_is_copied_whole_before_it_is_changed(path: Path) -> None:
    assert migrate(connect(path, readonly=False), path, steps=NEXT)
    copy = copy_of(path, SCHEMA_VERSION)
    assert rows(copy) == [("kept", "words")]
    assert oct(copy.stat().st_mode & 0o777) == "0o600"


def test_a_store_of_this_version_and_a_new_one_are_not_copied(path: Path, tmp_path: Path) -> None:
    assert not migrate(connect(path, readonly=False), path)
    new = tmp_path / "new.db"
    assert not migrate(connect(new, readonly=False), new)
    assert copies(path) == copies(new) == []


def test_the_copy_stays_until_the_next_start_that_succeeds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_of(path, 1).write_bytes(path.read_bytes())
    monkeypatch.setattr("recalld.adapters.sqlite.database.opening.migrate", lambda c, path: True)
    Store(path).close()
    assert copies(path) == [copy_of(path, 1)]
    monkeypatch.undo()
    Store(path).close()
    assert copies(path) == []


def test_a_start_that_fails_keeps_the_copy(path: Path) -> None:
    copy_of(path, 1).write_bytes(path.read_bytes())
    c = connect(path, readonly=False)
    c.execute("DROP TABLE node").fetchall()
    c.close()
    with pytest.raises(Corrupt, match="lacks node"):
        Store(path)
    assert copies(path) == [copy_of(path, 1)]


def test_without_room_for_the_copy_nothing_is_changed(path: Path) -> None:
    c = connect(path, readonly=False)
    with pytest.raises(Upstream, match=r"is copied first.* MB, 1 MB are free"):
        migrate(c, path, steps=NEXT, free_bytes=lambda folder: 1_000_000)
    assert c.pragma("user_version") == SCHEMA_VERSION
    assert copies(path) == []


def test_a_step_that_fails_leaves_the_store_as_it_was(path: Path) -> None:
    c = connect(path, readonly=False)
    before = shape(c)
    with pytest.raises(apsw.SQLError):
        migrate(c, path, steps={**MIGRATIONS, SCHEMA_VERSION + 1: "CREATE TABLE next (a); DROP TABLE nothing"})
    assert (shape(c), c.pragma("user_version")) == (before, SCHEMA_VERSION)


# ------------------------------------------------------------------ killed
def killed_at(path: Path, statement: int) -> bool:
    """Migrate in a process that dies, as by kill -9, when it begins this statement; True if it got that far."""
    child = os.fork()
    if child == 0:
        count = 0

        def trace(c: apsw.Connection, sql: str, bindings: object) -> bool:
            nonlocal count
            count += 1
            if count > statement:
                os._exit(9)
            return True

        c = connect(path, readonly=False)
        c.exec_trace = trace  # type: ignore[assignment]
        migrate(c, path, steps=NEXT)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_a_migration_killed_at_any_statement_resumes(path: Path) -> None:
    whole, statement, died = path.read_bytes(), 0, True
    while died:
        for left in path.parent.glob("recalld.db*"):
            left.unlink()
        path.write_bytes(whole)
        died = killed_at(path, statement)
        c = connect(path, readonly=False)
        version = int(str(c.pragma("user_version")))
        assert version in (SCHEMA_VERSION, SCHEMA_VERSION + 1, SCHEMA_VERSION + 2)
        assert all(rows(copy) == [("kept", "words")] for copy in copies(path))
        migrate(c, path, steps=NEXT)
        assert c.execute("SELECT a FROM next").fetchall() == [("kept",), ("two",)]
        assert not list(path.parent.glob("*.part"))
        c.close()
        statement += 1
    assert statement > 8


# ------------------------------------------------------------------ other programs' files
def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    c = connect(tmp_path / "recalld.db", readonly=False)
    c.execute("CREATE TABLE bookmarks (url)").fetchall()
    with pytest.raises(Conflict, match="another program"):
        migrate(c, tmp_path / "recalld.db")
    assert shape(c) == {("table", "bookmarks")}


# ------------------------------------------------------------------ tables of a version
@pytest.mark.parametrize("name", ["spent", "made", "tier", "vector", "unembedded", "fts", "fts_docsize", "fts_place"])
def test_a_disposable_table_that_is_missing_is_made_again(path: Path, name: str) -> None:
    c = connect(path, readonly=False)
    before = shape(c)
    if name == "fts_docsize":  # SQLite does not let it be dropped by itself
        c.execute("PRAGMA writable_schema = 1; DELETE FROM sqlite_schema WHERE name = 'fts_docsize'")
        c.execute("PRAGMA writable_schema = RESET").fetchall()
    else:
        c.execute(f"DROP TABLE {name}").fetchall()
    c.close()
    c = connect(path, readonly=False)
    assert name in restore_missing_tables(c, path)
    assert shape(c) == before
    assert restore_missing_tables(c, path) == []


@pytest.mark.parametrize("name", ["node_place", "vector_follow", "job_is_due"])
def test_a_missing_index_or_trigger_is_made_again(path: Path, name: str) -> None:
    c = connect(path, readonly=False)
    c.execute(f"DROP {'TRIGGER' if name == 'job_is_due' else 'INDEX'} {name}").fetchall()
    assert restore_missing_tables(c, path) == [name]
    assert restore_missing_tables(c, path) == []


@pytest.mark.parametrize("name", ["node", "blob", "log", "message", "meta", "owner"])
def test_a_missing_table_with_content_is_refused_by_name(path: Path, name: str) -> None:
    c = connect(path, readonly=False)
    c.execute(f"DROP TABLE {name}").fetchall()
    with pytest.raises(Corrupt, match=f"lacks {name} "):
        restore_missing_tables(c, path)


def test_a_missing_column_is_refused_by_name(path: Path) -> None:
    c = connect(path, readonly=False)
    c.execute("ALTER TABLE session DROP COLUMN config").fetchall()
    with pytest.raises(Corrupt, match=r"lacks session\.config "):
        restore_missing_tables(c, path)


# ------------------------------------------------------------------ derived data made again
def test_full_text_made_again_is_empty_works_and_is_listed_for_rebuilding(path: Path) -> None:
    c = connect(path, readonly=False)
    before = shape(c)
    c.execute("INSERT INTO fts (rowid, terms) VALUES (1, 'heron')").fetchall()
    with c:
        recreate_lexicon(c)
    assert shape(c) == before
    c.execute("INSERT INTO fts (rowid, terms) VALUES (1, 'heron')").fetchall()
    assert c.execute("SELECT rowid FROM fts WHERE fts MATCH 'heron'").fetchall() == [(1,)]
    assert ("rebuild_lexicon", 0) in rows(path)


def test_full_text_too_damaged_to_be_dropped_is_made_again(path: Path) -> None:
    c = connect(path, readonly=False)
    with c:
        for n in range(2_000):
            c.execute("INSERT INTO fts (rowid, terms) VALUES (?, ?)", (n + 1, f"w{n} " * 50)).fetchall()
    size = int(str(c.pragma("page_size")))
    ((root,),) = c.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'fts_data'").fetchall()
    c.close()
    with path.open("r+b") as file:
        file.seek((int(str(root)) - 1) * size)
        file.write(b"\xa5" * size)
    c = connect(path, readonly=False)
    with pytest.raises(apsw.CorruptError), c:
        recreate_lexicon(c)
    with c:
        recreate_lexicon(c, damaged=True)
    c.execute("INSERT INTO fts (rowid, terms) VALUES (1, 'heron')").fetchall()
    assert c.execute("SELECT rowid FROM fts WHERE fts MATCH 'heron'").fetchall() == [(1,)]


def test_vectors_made_again_are_listed_and_caches_start_over(path: Path) -> None:
    c = connect(path, readonly=False)
    before = shape(c)
    c.execute("INSERT INTO owner (id, account, user) VALUES (1, 'a', 'u')").fetchall()
    c.execute("INSERT INTO model (fingerprint, width, place) VALUES ('used', 4, 1), ('unused', 4, 0)").fetchall()
    with c:
        recreate_vectors(c)
    assert shape(c) == before
    assert c.execute("SELECT epoch FROM owner").fetchall() == [(1,)]
    assert c.execute("SELECT fingerprint, listed_to FROM model ORDER BY id").fetchall() == [
        ("used", 0),
        ("unused", None),
    ]


def test_the_model_of_an_older_store_stays_the_first_and_its_missing_vectors_are_listed_again(tmp_path: Path) -> None:
    path = tmp_path / "recalld.db"
    c = connect(path, readonly=False)
    migrate(c, path, steps={step: sql for step, sql in MIGRATIONS.items() if step < 12})
    c.execute("INSERT INTO model (fingerprint, width) VALUES ('used', 4), ('former', 4)").fetchall()
    c.execute(
        "INSERT INTO meta VALUES ('wanted_model', 'used'), ('serving_model', 'former'), ('wanted_to', 9)"
    ).fetchall()
    c.execute("INSERT INTO unembedded VALUES (7, 1)").fetchall()
    assert migrate(c, path)
    models = c.execute("SELECT fingerprint, place, listed_to FROM model ORDER BY id").fetchall()
    assert models == [("used", 1, 0), ("former", 0, None)]
    assert c.execute("SELECT count(*) FROM unembedded").fetchall() == [(0,)]
    assert rows(path) == []
