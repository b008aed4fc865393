"""Contents that grow by appends: each version is complete, and an append costs only the new bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.adapters.sqlite.database.append_streams import (
    SEGMENT_BYTES,
    append_version,
    drop_versions,
    find_version,
    inline_bytes,
)
from recalld.adapters.sqlite.database.connection import connect
from recalld.adapters.sqlite.database.migration import migrate
from recalld.domain.errors import Corrupt


def opened(folder: Path) -> apsw.Connection:
    c = connect(folder / "x.db", readonly=False)
    migrate(c, folder / "x.db")
    return c


@pytest.fixture
def c(tmp_path: Path) -> Iterator[apsw.Connection]:
    store = opened(tmp_path)
    yield store
    store.close()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def flat(c: apsw.Connection, data: bytes, *, outside: bool = False) -> None:
    values = (sha(data), len(data), None if outside else data)
    c.execute("INSERT INTO blob (hash, size, data) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", values)


def append(c: apsw.Connection, old: bytes, more: bytes) -> bytes:
    append_version(c, sha(old), sha(old + more), len(old) + len(more), more)
    return old + more


def stored(c: apsw.Connection, data: bytes, front: bytes = b"") -> bytes | None:
    row = c.execute("SELECT data FROM blob WHERE hash = ?", (sha(data),)).fetchone()
    if row is not None:
        return row[0]  # type: ignore[no-any-return]
    found = find_version(c, sha(data))
    return None if found is None else found.assemble(front)


def segment_bytes(c: apsw.Connection) -> int:
    return int(c.execute("SELECT coalesce(sum(length(data)), 0) FROM segment").fetchone()[0])


def test_every_version_is_there(c: apsw.Connection) -> None:
    versions = [b"x" * 2_000]
    flat(c, versions[0])
    for i in range(60):
        versions.append(append(c, versions[-1], b"%04d" % i * 250))
    assert all(stored(c, version) == version for version in versions)


def test_three_hundred_appends_cost_their_lines(c: apsw.Connection) -> None:
    data = b"begin\n"
    flat(c, data)
    for i in range(300):
        data = append(c, data, b"%06d" % i + b"x" * 1_000 + b"\n")
    assert segment_bytes(c) <= len(data)
    assert len(c.execute("SELECT start FROM segment").fetchall()) <= len(data) // SEGMENT_BYTES * 2 + 2
    assert inline_bytes(c, sha(data)) == data


def test_small_ones_stay_flat(c: apsw.Connection) -> None:
    flat(c, b"one")
    assert stored(c, append(c, b"one", b"two")) == b"onetwo"
    assert segment_bytes(c) == 0


def test_a_content_of_the_blob_store_is_gone_on_from_without_a_copy(c: apsw.Connection) -> None:
    front = b"f" * 100_000
    flat(c, front, outside=True)
    data = append(c, append(c, front, b"one"), b"two")
    assert (segment_bytes(c), stored(c, data, front)) == (6, data)
    assert inline_bytes(c, sha(data)) is None


def test_going_on_from_an_older_version_leaves_the_newer_one_alone(c: apsw.Connection) -> None:
    base = b"b" * 3_000
    flat(c, base)
    first = append(c, base, b"1" * 2_000)
    second = append(c, first, b"2" * 2_000)
    other = append(c, first, b"o" * 2_000)
    assert [stored(c, data) for data in (first, second, other)] == [first, second, other]


def test_released_content_leaves_no_bytes(c: apsw.Connection) -> None:
    base = b"b" * 3_000
    flat(c, base)
    first = append(c, base, b"1" * 100)
    secret = append(c, first, b"secret" * 100)
    assert drop_versions(c, [sha(secret)]) == 1
    assert stored(c, first) == first
    assert segment_bytes(c) == len(first)
    assert drop_versions(c, [sha(first)]) == 1
    assert segment_bytes(c) == 0
    assert not c.execute("SELECT 1 FROM stream").fetchall()


def test_after_the_newest_went_the_stream_goes_on(c: apsw.Connection) -> None:
    base = b"b" * 3_000
    flat(c, base)
    first = append(c, base, b"1" * 100)
    drop_versions(c, [sha(append(c, first, b"2" * 100))])
    third = append(c, first, b"3" * 100)
    assert stored(c, third) == third
    assert len(c.execute("SELECT 1 FROM stream").fetchall()) == 1


def test_bytes_that_do_not_verify_are_not_shown(c: apsw.Connection) -> None:
    base = b"b" * 3_000
    flat(c, base)
    data = append(c, base, b"more")
    c.execute("UPDATE segment SET data = zeroblob(length(data))")
    with pytest.raises(Corrupt):
        inline_bytes(c, sha(data))


@given(st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=3_000), st.booleans()), max_size=25))
def test_any_history_of_appends_and_of_letting_go(steps: list[tuple[int, bytes, bool]]) -> None:
    c = apsw.Connection(":memory:")
    for sql in (
        "CREATE TABLE blob (hash TEXT PRIMARY KEY, size INTEGER NOT NULL, data BLOB)",
        "CREATE TABLE node (id INTEGER PRIMARY KEY, hash TEXT)",
        "CREATE TABLE stream (id INTEGER PRIMARY KEY AUTOINCREMENT, base TEXT, begins INTEGER, size INTEGER)",
        "CREATE TABLE segment (stream INTEGER, start INTEGER, data BLOB, PRIMARY KEY (stream, start))",
        "CREATE TABLE grown (hash TEXT PRIMARY KEY, size INTEGER, stream INTEGER) WITHOUT ROWID",
    ):
        c.execute(sql)
    living = [b"base" * 500]
    flat(c, living[0])
    for which, more, drop in steps:
        chosen = living[which % len(living)]
        if drop and len(living) > 1:
            drop_versions(c, [sha(chosen)])
            living = [data for data in living if data != chosen or stored(c, data) is not None]
        else:
            living.append(append(c, chosen, more))
        assert all(stored(c, data) == data for data in living)
    c.close()
