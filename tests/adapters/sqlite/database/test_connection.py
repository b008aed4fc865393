from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from recalld.adapters.sqlite.database.connection import connect, to_domain_error
from recalld.adapters.sqlite.database.migration import migrate
from recalld.adapters.sqlite.database.schema import MIGRATIONS, SCHEMA_VERSION
from recalld.domain.errors import Busy, Conflict, Corrupt, RecalldError, Upstream

pytestmark = pytest.mark.loop_may_block  # no loop here


def shape(c: apsw.Connection) -> set[tuple[str, str]]:
    return set(c.execute("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'"))


def at_version(path: Path, version: int) -> apsw.Connection:
    c = connect(path, readonly=False)
    for step in range(1, version + 1):
        c.execute(MIGRATIONS[step]).fetchall()
    c.execute(f"PRAGMA user_version = {version}").fetchall()
    return c


def test_there_is_a_step_to_every_version() -> None:
    assert sorted(MIGRATIONS) == list(range(1, SCHEMA_VERSION + 1))


@pytest.mark.parametrize("version", range(SCHEMA_VERSION + 1))
def test_a_store_of_any_version_becomes_the_newest(tmp_path: Path, version: int) -> None:
    fresh = connect(tmp_path / "fresh.db", readonly=False)
    migrate(fresh, tmp_path / "fresh.db")
    old = at_version(tmp_path / "old.db", version)
    migrate(old, tmp_path / "old.db")
    assert shape(old) == shape(fresh)
    assert old.pragma("user_version") == SCHEMA_VERSION


def test_contents_of_a_schema_1_store_survive_migration(tmp_path: Path) -> None:
    old = at_version(tmp_path / "old.db", 1)
    old.execute("INSERT INTO meta VALUES ('store_id', 'x')")
    migrate(old, tmp_path / "old.db")
    assert old.execute("SELECT value FROM meta").fetchall() == [("x",)]


def test_a_newer_store_is_refused_untouched(tmp_path: Path) -> None:
    newer = connect(tmp_path / "newer.db", readonly=False)
    newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}").fetchall()
    with pytest.raises(Conflict, match="newer recalld"):
        migrate(newer, tmp_path / "newer.db")
    assert shape(newer) == set()


def test_a_commit_is_on_disk_before_it_is_acknowledged(tmp_path: Path) -> None:
    c = connect(tmp_path / "a.db", readonly=False)
    assert (c.pragma("journal_mode"), c.pragma("synchronous"), c.pragma("wal_autocheckpoint")) == ("wal", 2, 0)


@pytest.mark.parametrize(
    ("refused", "family"),
    [
        (apsw.FullError(), Upstream),
        (apsw.IOError(), Upstream),
        (apsw.CorruptError(), Corrupt),
        (apsw.BusyError(), Busy),
    ],
)
def test_failures_of_the_store_have_a_family_and_a_remedy(refused: apsw.Error, family: type[RecalldError]) -> None:
    failure = to_domain_error(refused, Path("recalld.db"))
    assert isinstance(failure, family)
    assert failure.remedy
