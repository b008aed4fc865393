from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import apsw
import pytest

from recalld.adapters.sqlite.database import store as store_module
from recalld.adapters.sqlite.database.readers import Readers
from recalld.adapters.sqlite.database.store import Store
from recalld.domain.errors import Busy, Closed, Conflict, NotFound, Upstream
from recalld.infra.thread_pool import Pool

T = TypeVar("T")


def put(key: str, value: object = 1) -> Callable[[apsw.Connection], None]:
    return lambda c: c.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value)).fetchall() and None


def keys(c: apsw.Connection) -> set[str]:
    return {k for (k,) in c.execute("SELECT key FROM meta")}


async def apart(call: Callable[[], T]) -> T:
    """Opening and closing wait for the disk."""
    pool = Pool("opening", running_max=1, waiting_max=0)
    try:
        return await pool.run(call)
    finally:
        pool.close()


async def open_store(path: Path, *, readers: int = 2) -> Store:
    return await apart(lambda: Store(path, readers=readers))


async def close_store(store: Readers) -> None:
    await apart(store.close)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Store]:
    store = await open_store(folder / "recalld.db", readers=2)
    try:
        yield store
    finally:
        await close_store(store)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened(tmp_path) as store:
        yield store


class Held:
    """Keeps the writer busy, so that what is sent meanwhile waits together."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._go = threading.Event()
        self._here = threading.Event()
        self._task: asyncio.Task[Any] | None = None

    def _hold(self, c: apsw.Connection) -> None:
        self._here.set()
        self._go.wait(10)

    async def __aenter__(self) -> Held:
        self._task = asyncio.create_task(self._store.write(self._hold))
        await asyncio.sleep(0)
        self._here.wait(10)
        return self

    def release(self) -> None:
        self._go.set()

    async def __aexit__(self, *failure: object) -> None:
        self._go.set()
        assert self._task is not None
        await self._task


async def test_written_rows_can_be_read(store: Store) -> None:
    await store.write(put("a"))
    assert "a" in await store.read(keys)


async def test_a_second_opener_is_refused(store: Store) -> None:
    with pytest.raises(Conflict, match="another recalld"):
        await open_store(store.path)


async def test_a_closed_folder_opens_elsewhere(tmp_path: Path) -> None:
    async with opened(tmp_path / "here") as store:
        await store.write(put("a"))
    assert {p.name for p in (tmp_path / "here").iterdir()} == {"recalld.db", "lock"}
    (tmp_path / "here").rename(tmp_path / "there")
    async with opened(tmp_path / "there") as store:
        assert "a" in await store.read(keys)


async def test_calls_that_wait_together_share_one_commit(store: Store) -> None:
    commits: list[int] = []
    await store.write(lambda c: c.set_commit_hook(lambda: bool(commits.append(1))))
    async with Held(store) as held:
        waiting = [asyncio.create_task(store.write(put(str(n)))) for n in range(50)]
        await asyncio.sleep(0)
        before = len(commits)
        held.release()
        await asyncio.gather(*waiting)
    assert len(commits) - before <= 2


@pytest.mark.parametrize("failure", [NotFound("no"), TypeError("no"), StopIteration(), apsw.SQLError("no")])
async def test_a_call_that_fails_undoes_only_itself(store: Store, failure: Exception) -> None:
    def fail(c: apsw.Connection) -> None:
        put("bad")(c)
        raise failure

    async with Held(store) as held:
        calls = [asyncio.create_task(store.write(w)) for w in (put("a"), fail, put("b"))]
        await asyncio.sleep(0)
        held.release()
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(results[1], Exception)
    assert await store.read(keys) >= {"a", "b"}
    assert "bad" not in await store.read(keys)


async def test_captures_go_before_bulk(store: Store) -> None:
    order: list[str] = []
    async with Held(store) as held:
        calls = [asyncio.create_task(store.write(lambda c: order.append("bulk"), bulk=True))]
        await asyncio.sleep(0)
        calls += [asyncio.create_task(store.write(lambda c: order.append("capture"))) for _ in range(3)]
        await asyncio.sleep(0)
        held.release()
        await asyncio.gather(*calls)
    assert order == ["capture"] * 3 + ["bulk"]


async def test_captures_do_not_starve_bulk_for_ever(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "SLICE_S", -1.0)
    monkeypatch.setattr(store_module, "CAPTURES_PER_COMMIT", 1)
    order: list[str] = []
    async with Held(store) as held:
        calls = [asyncio.create_task(store.write(lambda c: order.append("bulk"), bulk=True))]
        calls += [asyncio.create_task(store.write(lambda c: order.append("capture"))) for _ in range(30)]
        await asyncio.sleep(0)
        held.release()
        await asyncio.gather(*calls)
    assert order.index("bulk") <= store_module.BULK_SKIPPED_MAX + 1


async def test_a_full_queue_says_busy_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "CAPTURES_WAITING_MAX", 2)
    async with Held(store):
        waiting = [asyncio.create_task(store.write(put(str(n)))) for n in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await store.write(put("c"))
    await asyncio.gather(*waiting)


async def test_a_full_disk_refuses_writes_and_reads_go_on(store: Store) -> None:
    await store.write(put("before"))
    pages = await store.write(lambda c: c.pragma("page_count"))
    await store.write(lambda c: c.pragma("max_page_count", pages))
    async with Held(store) as held:
        calls = [asyncio.create_task(store.write(w)) for w in (put("small"), put("large", b"x" * 1_000_000))]
        await asyncio.sleep(0)
        held._go.set()
        results = await asyncio.gather(*calls, return_exceptions=True)
        held._task = asyncio.ensure_future(asyncio.gather(held._task, return_exceptions=True))  # type: ignore[assignment]
    assert all(isinstance(r, Upstream) and "disk is full" in r.message for r in results[1:])
    assert "before" in await store.read(keys)
    assert "large" not in await store.read(keys)
    await store.write(lambda c: c.pragma("max_page_count", 1_000_000))
    await store.write(put("after"))
    assert "after" in await store.read(keys)


async def test_the_write_ahead_log_stays_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "CHECKPOINT_PAGES", 50)
    monkeypatch.setattr(store_module, "CHECKPOINT_PAGES_FORCED", 200)
    for n in range(150):
        await store.write(put(f"k{n % 10}", b"x" * 100_000))
    wal = store.path.with_name(store.path.name + "-wal")
    # Never folded it would hold every write; how soon a fold comes is the machine's business.
    assert wal.stat().st_size < 150 * 100_000 * 0.8


async def test_folding_empties_the_write_ahead_log(store: Store) -> None:
    await store.write(put("a", b"x" * 100_000))
    await store.compact()
    assert store.path.with_name(store.path.name + "-wal").stat().st_size == 0


async def test_readers_never_see_half_a_commit(store: Store) -> None:
    async def write() -> None:
        for n in range(30):
            await store.write(lambda c, n=n: (put("x", n)(c), put("y", n)(c)))

    async def read() -> None:
        for _ in range(60):
            pair = await store.read(lambda c: c.execute("SELECT value FROM meta WHERE key IN ('x', 'y')").fetchall())
            assert len(set(pair)) <= 1

    await asyncio.gather(write(), read(), read())


async def test_readers_cannot_write(store: Store) -> None:
    with pytest.raises(Upstream, match="readonly"):
        await store.read(put("a"))


async def test_another_process_may_only_read(store: Store) -> None:
    await store.write(put("a"))
    readers = Readers(store.path, count=1)
    assert "a" in await readers.read(keys)
    await close_store(readers)


async def test_closing_finishes_what_was_accepted(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "recalld.db")
    async with Held(store) as held:
        calls = [asyncio.create_task(store.write(put(str(n)))) for n in range(5)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(close_store(store))
        await asyncio.sleep(0)
        held.release()
    await asyncio.gather(closing, *calls)
    async with opened(tmp_path) as again:
        assert await again.read(keys) >= {"0", "4"}


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        pass
    await close_store(store)
    with pytest.raises(Closed):
        await store.write(put("a"))
    with pytest.raises(Closed):
        await store.read(keys)


async def test_a_caller_that_gives_up_does_not_hold_up_the_others(store: Store) -> None:
    async with Held(store) as held:
        gone, stays = asyncio.create_task(store.write(put("a"))), asyncio.create_task(store.write(put("b")))
        await asyncio.sleep(0)
        gone.cancel()
        held.release()
        await stays
    assert "b" in await store.read(keys)


async def test_an_sqlite_error_of_one_call_is_translated_for_that_call(store: Store) -> None:
    def twice(c: apsw.Connection) -> None:
        c.execute("INSERT INTO meta VALUES ('twice', 1), ('twice', 2)").fetchall()

    async with Held(store) as held:
        calls = [asyncio.create_task(store.write(work)) for work in (put("a"), twice, put("b"))]
        await asyncio.sleep(0)
        held.release()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(r, Exception) for r in results] == [False, True, False]
    assert isinstance(results[1], Conflict)
    with pytest.raises(Upstream):
        await store.read(lambda c: c.execute("SELECT nothing FROM nowhere").fetchall())


async def test_a_writer_that_does_not_end_keeps_its_connection_and_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "CLOSE_WAIT_S", 0.01)
    store = await open_store(tmp_path / "recalld.db")
    held = Held(store)
    async with held:
        await close_store(store)
        with pytest.raises(Conflict, match="another recalld"):
            await open_store(tmp_path / "recalld.db")
        held.release()


async def free_pages(store: Store) -> int:
    return int((await store.read(lambda c: c.execute("PRAGMA freelist_count").fetchall()))[0][0])


async def test_a_small_file_is_rewritten_and_a_larger_one_is_left(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(200):
        await store.write(put(f"k{n}", "x" * 2_000))
    await store.write(lambda c: c.execute("DELETE FROM meta WHERE key GLOB 'k*'").fetchall())
    before = await free_pages(store)
    monkeypatch.setattr(store_module, "REWRITTEN_MAX_BYTES", 0)
    await store.rewrite_small()
    assert await free_pages(store) == before > 0
    monkeypatch.undo()
    await store.rewrite_small()
    assert await free_pages(store) == 0
