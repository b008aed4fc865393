"""A full disk: removals use the reserved space; other writes are refused and cannot use it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import apsw
import pytest

from recalld.adapters.sqlite.database.reserve import FILE_NAME
from recalld.adapters.sqlite.database.store import Store
from recalld.adapters.sqlite.ledger.ledger import open_ledger
from recalld.domain.caller import Caller
from recalld.domain.commit import Commit
from recalld.domain.errors import Upstream, refused_by_disk
from recalld.domain.job import NewJob
from recalld.domain.policy import JobPolicy
from recalld.ports.jobs import Outcome, Settlement
from tests.fakes.blobs import MemoryBlobs
from tests.fakes.clock import MemoryClock

from .test_store import apart, close_store, keys, put

RESERVE = 2 << 20
CAPACITY = 8 << 20
LARGE = b"x" * 1_000_000


class Usage(NamedTuple):
    """As ``shutil.disk_usage`` answers."""

    total: int
    used: int
    free: int


class SmallDisk(apsw.VFS):
    """A disk of ``capacity`` bytes that holds one folder."""

    def __init__(self, folder: Path) -> None:
        self.below = apsw.vfs_names()[0]
        super().__init__("small", self.below, makedefault=True)
        self.folder = folder
        self.capacity = CAPACITY

    @property
    def free(self) -> int:
        return self.capacity - sum(p.stat().st_size for p in self.folder.glob("*"))

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return SmallFile(self, name, flags)


class SmallFile(apsw.VFSFile):
    def __init__(self, disk: SmallDisk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__(disk.below, name, flags)  # type: ignore[arg-type]
        self.disk = disk

    def xWrite(self, data: bytes, offset: int) -> None:
        if offset + len(data) - self.xFileSize() > max(self.disk.free, 0):
            raise apsw.FullError
        super().xWrite(data, offset)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(disk.capacity, 0, max(disk.free, 0)))
    yield disk
    disk.unregister()


@asynccontextmanager
async def opened(disk: SmallDisk, reserve: int = RESERVE) -> AsyncIterator[Store]:
    store = await apart(lambda: Store(disk.folder / "recalld.db", readers=1, reserve_bytes=reserve))
    try:
        yield store
    finally:
        await close_store(store)


async def fill(store: Store, disk: SmallDisk) -> None:
    """Until not one page more has room."""
    await store.disk_space()
    await store.write(put("large", LARGE))
    await store.compact()
    disk.capacity -= disk.free


def drop(key: str) -> Callable[[apsw.Connection], None]:
    return lambda c: c.execute("DELETE FROM meta WHERE key = ?", (key,)).fetchall() and None


def set_aside(disk: SmallDisk) -> int:
    return (disk.folder / FILE_NAME).stat().st_size


async def test_removals_work_on_a_full_disk_and_other_writes_are_refused(disk: SmallDisk) -> None:
    async with opened(disk) as store:
        await fill(store, disk)
        with pytest.raises(Upstream) as refused:
            await store.write(put("more"))
        assert refused_by_disk(refused.value)
        assert set_aside(disk) == RESERVE
        await store.write(drop("large"), frees=True)
        assert not {"large", "more"} & await store.read(keys)
        assert set_aside(disk) == 0


async def test_without_space_set_aside_what_frees_is_refused_too(disk: SmallDisk) -> None:
    async with opened(disk, reserve=0) as store:
        await fill(store, disk)
        with pytest.raises(Upstream):
            await store.write(drop("large"), frees=True)


async def test_others_in_the_same_commit_are_refused(disk: SmallDisk) -> None:
    async with opened(disk) as store:
        await fill(store, disk)
        calls = (store.write(put("more")), store.write(drop("large"), frees=True), store.write(put("most")))
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(r, Upstream) for r in results] == [True, False, True]
        assert set_aside(disk) == 0
        assert "large" not in await store.read(keys)


async def test_the_file_does_not_grow_into_the_space_while_it_is_used(disk: SmallDisk) -> None:
    async with opened(disk) as store:
        await fill(store, disk)
        await store.write(drop("none"), frees=True)
        for n in range(20):
            with pytest.raises(Upstream):
                await store.write(put(f"n{n}", b"x" * 100_000))
        await store.write(drop("large"), frees=True)
        assert "large" not in await store.read(keys)


async def test_pages_that_were_freed_take_new_writes(disk: SmallDisk) -> None:
    async with opened(disk) as store:
        await fill(store, disk)
        await store.write(drop("large"), frees=True)
        await store.write(put("after", b"x" * 20_000))
        assert "after" in await store.read(keys)


async def test_a_restart_on_a_full_disk_remembers_that_the_space_is_used(disk: SmallDisk) -> None:
    async with opened(disk) as store:
        await fill(store, disk)
        await store.write(put("small"), frees=True)
    async with opened(disk) as store:
        with pytest.raises(Upstream):
            await store.write(put("n", b"x" * 500_000))
        await store.write(drop("large"), frees=True)
        assert "large" not in await store.read(keys)


async def test_the_space_is_set_aside_again_when_there_is_room(disk: SmallDisk) -> None:
    async with opened(disk) as store:
        await fill(store, disk)
        await store.write(drop("large"), frees=True)
        assert not (await store.disk_space()).complete
        disk.capacity += CAPACITY
        space = await store.disk_space()
        assert (space.complete, space.reserve_bytes) == (True, RESERVE)
        await store.write(put("n", LARGE))
        await store.write(put("m", LARGE))
        assert {"n", "m"} <= await store.read(keys)


async def test_a_job_that_waits_for_the_disk_is_given_back_uncounted_on_it(disk: SmallDisk) -> None:
    clock, policies = MemoryClock(), {"fragile": JobPolicy(attempts_max=2)}
    folder, caller = disk.folder, Caller()
    ledger = await open_ledger(folder, blobs=MemoryBlobs(), clock=clock, reserve_bytes=RESERVE, policies=policies)
    store = ledger.access.readers
    assert isinstance(store, Store)
    try:
        await ledger.tenant(caller).commit(Commit(jobs=(NewJob("fragile", "fragile"),)))
        for _ in range(4):
            (job,) = await ledger.jobs.lease(worker="w", jobs_max=1, lease_s=60.0)
            assert job.attempt == 1
            await fill(store, disk)
            await ledger.jobs.settle(job, Settlement(Outcome.WAIT, "the disk is full", 30.0))
            disk.capacity += 2 * CAPACITY
            await store.disk_space()
            clock.advance(100.0)
    finally:
        await ledger.close()
