"""Reads end: at their time limit, on cancellation, and when the store closes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from recalld.adapters.sqlite.database import readers
from recalld.adapters.sqlite.database import store as store_module
from recalld.adapters.sqlite.database.connection import connect
from recalld.adapters.sqlite.database.readers import Readers
from recalld.adapters.sqlite.database.store import Store
from recalld.domain.errors import Closed, Invalid, Upstream
from recalld.infra.thread_pool import Pool

ENDLESS = "WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n) SELECT max(k) FROM n"


def endless(c: apsw.Connection) -> object:
    return c.execute(ENDLESS).fetchall()


def one(c: apsw.Connection) -> object:
    return c.execute("SELECT 1").fetchone()


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    pool = Pool("opening", running_max=1, waiting_max=1)
    yield pool
    pool.close()


@pytest.fixture
async def store(tmp_path: Path, pool: Pool) -> AsyncIterator[Store]:
    store = await pool.run(Store, tmp_path / "recalld.db", readers=1)
    yield store
    await pool.run(store.close)


async def test_a_read_whose_caller_left_gives_its_connection_back(store: Store) -> None:
    begun = threading.Event()

    def work(c: apsw.Connection) -> object:
        begun.set()
        return endless(c)

    reading = asyncio.ensure_future(store.read(work))
    while not begun.is_set():
        await asyncio.sleep(0)
    reading.cancel()
    assert await store.read(one) == (1,)  # by the only connection there is


async def test_a_read_ends_at_its_limit_and_says_so(store: Store) -> None:
    with pytest.raises(Upstream, match=r"did not end in 0.01 s") as late:
        await store.read(endless, limit_s=0.01)
    assert late.value.code == "DEADLINE_EXCEEDED"
    assert await store.read(one) == (1,)


async def test_a_number_that_no_column_holds_is_refused(store: Store) -> None:
    with pytest.raises(Invalid, match="too large"):
        await store.read(lambda c: c.execute("SELECT 1 LIMIT ? OFFSET ?", (1, 2**63)).fetchall())
    assert await store.read(lambda c: c.execute("SELECT 1 LIMIT ? OFFSET ?", (1, 2**63 - 1)).fetchall()) == []


async def test_scans_take_no_connection_from_reads(store: Store) -> None:
    begun = threading.Semaphore(0)

    def work(c: apsw.Connection) -> object:
        begun.release()
        return endless(c)

    scans = [asyncio.ensure_future(store.scan(work)) for _ in range(readers.SCANS_RUNNING_MAX + 1)]
    for _ in range(readers.SCANS_RUNNING_MAX):
        while not begun.acquire(blocking=False):
            await asyncio.sleep(0)
    assert await store.read(one) == (1,)
    for scan in scans:
        scan.cancel()
    assert await store.scan(one) == (1,)


async def test_closing_ends_what_is_being_read(tmp_path: Path, pool: Pool) -> None:
    connect(tmp_path / "store.db", readonly=False).close()
    lines, begun = Readers(tmp_path / "store.db", count=1), threading.Event()

    def work(c: apsw.Connection) -> object:
        begun.set()
        return endless(c)

    reading = asyncio.ensure_future(lines.scan(work, limit_s=None))
    while not begun.is_set():
        await asyncio.sleep(0)
    await pool.run(lines.close)
    with pytest.raises(Closed):
        await reading


async def test_a_change_that_takes_too_long_is_undone_alone(store: Store) -> None:
    def late(c: apsw.Connection) -> None:
        c.execute("INSERT INTO meta VALUES ('late', 1)")
        c.execute(f"INSERT INTO meta VALUES ('never', ({ENDLESS}))")

    go, here = threading.Event(), threading.Event()

    def hold(c: apsw.Connection) -> None:
        here.set()
        go.wait(10)

    held = asyncio.ensure_future(store.write(hold))
    while not here.is_set():
        await asyncio.sleep(0)
    calls = [
        asyncio.ensure_future(store.write(work, limit_s=0.05))
        for work in (
            lambda c: c.execute("INSERT INTO meta VALUES ('a', 1)").fetchall(),
            late,
            lambda c: c.execute("INSERT INTO meta VALUES ('b', 1)").fetchall(),
        )
    ]
    await asyncio.sleep(0)
    go.set()
    await held
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(results[1], Upstream)
    assert results[1].code == "DEADLINE_EXCEEDED"
    assert [results[0], results[2]] == [[], []]
    keys = await store.read(lambda c: {k for (k,) in c.execute("SELECT key FROM meta")})
    assert keys & {"a", "b", "late", "never"} == {"a", "b"}


async def test_a_writer_that_does_not_end_keeps_its_connection(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "CLOSE_WAIT_S", 0.05)
    store = await pool.run(Store, tmp_path / "other" / "recalld.db", readers=1)
    go, here = threading.Event(), threading.Event()

    def hold(c: apsw.Connection) -> object:
        here.set()
        go.wait(10)
        return c.execute("SELECT 1").fetchone()

    held = asyncio.ensure_future(store.write(hold))
    while not here.is_set():
        await asyncio.sleep(0)
    await pool.run(store.close)
    go.set()
    assert await held == (1,)
