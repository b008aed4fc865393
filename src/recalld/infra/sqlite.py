"""An embedded SQLite store: one writer thread with group commit, a few readers. Functions travel, connections do not."""

from __future__ import annotations

import asyncio
import fcntl
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import apsw

from recalld.domain.errors import Busy, Closed, Conflict, Corrupt, RecalldError, Upstream

from .offload import Pool, Strand
from .schema import MIGRATIONS, SCHEMA_VERSION

T = TypeVar("T")
Work = Callable[[apsw.Connection], T]

SLICE_S = 0.005
CAPTURES_PER_COMMIT = 256
CAPTURES_WAITING_MAX = 4_096
BULK_WAITING_MAX = 512
WAL_FOLD_BYTES = 16 << 20
PAGE_CACHE_KIB = 16_384
DISK_TROUBLE = (apsw.FullError, apsw.IOError, apsw.CorruptError, apsw.ReadOnlyError, apsw.NotADBError)
"""These end the whole transaction, not one call of it."""


@dataclass(eq=False, slots=True)
class _Call(Generic[T]):
    """One function on its way to the writer, and where its result goes."""

    work: Work[T]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[T]
    result: Any = None
    failure: BaseException | None = None

    def settle(self) -> None:
        """Give the caller its result; a caller that has gone does not hear of it."""
        if self.future.done():
            return
        if self.failure is not None:
            self.future.set_exception(self.failure)
        else:
            self.future.set_result(self.result)


def connect(path: Path, *, readonly: bool) -> apsw.Connection:
    """A connection set up the way every one of ours is."""
    flags = apsw.SQLITE_OPEN_READONLY if readonly else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    c = apsw.Connection(str(path), flags=flags, statementcachesize=200)
    c.set_busy_timeout(2_000)
    for pragma in (
        f"cache_size = -{PAGE_CACHE_KIB if not readonly else PAGE_CACHE_KIB // 4}",
        "temp_store = MEMORY",
        "mmap_size = 268435456",
    ):
        c.execute(f"PRAGMA {pragma}").fetchall()
    if readonly:
        c.execute("PRAGMA query_only = 1").fetchall()
        return c
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "wal_autocheckpoint = 0",
        f"journal_size_limit = {WAL_FOLD_BYTES}",
    ):
        c.execute(f"PRAGMA {pragma}").fetchall()
    return c


class Readers:
    """Read-only connections to a store file, one for each thread of a bounded pool."""

    def __init__(self, path: Path, *, count: int, waiting_max: int = 256) -> None:
        self._path = path
        self._pool = Pool("readers", running_max=count, waiting_max=waiting_max)
        self._free: queue.SimpleQueue[apsw.Connection] = queue.SimpleQueue()

    @property
    def path(self) -> Path:
        """The store's file."""
        return self._path

    async def read(self, work: Work[T]) -> T:
        """Run ``work`` inside one read transaction. Raises ``Busy`` when too many wait, ``Closed``."""
        return await self._pool.run(self._run, work)

    async def read_alone(self, work: Work[T]) -> T:
        """The same on a connection of its own, opened for it: integrity checks of FTS5 trip over what a connection in use
        remembers of the index."""
        return await self._pool.run(self._run_alone, work)

    def _run_alone(self, work: Work[T]) -> T:
        c = connect(self._path, readonly=True)
        try:
            with c:
                return work(c)
        finally:
            c.close()

    def _run(self, work: Work[T]) -> T:
        try:
            c = self._free.get_nowait()
        except queue.Empty:
            c = connect(self._path, readonly=True)
        try:
            with c:
                return work(c)
        except apsw.CorruptError as bad:
            raise Corrupt(f"{self._path} is damaged: {bad}", remedy="restore a backup, or run recalld doctor") from bad
        except apsw.BusyError as busy:
            raise Busy("the store is busy", retry_after_s=0.5) from busy
        finally:
            self._free.put(c)

    def close(self) -> None:
        """Let running reads end, then close every connection."""
        self._pool.close()
        while not self._free.empty():
            self._free.get_nowait().close()


class Store(Readers):
    """The owner's end: reads like anybody, and writes through one thread."""

    def __init__(self, path: Path, *, readers: int = 4) -> None:
        self._lock_file = _hold(path.parent)
        try:
            self._writer = connect(path, readonly=False)
            migrate(self._writer, path)
        except BaseException:
            os.close(self._lock_file)
            raise
        super().__init__(path, count=readers)
        self._captures: deque[_Call[Any]] = deque()
        self._bulk: deque[_Call[Any]] = deque()
        self._ready = threading.Condition()
        self._closing = False
        self._wal_bytes = 0
        self._thread = Strand("writer", self._write_loop)

    async def write(self, work: Work[T], *, bulk: bool = False) -> T:
        """Run ``work`` in the next commit; returns once that is on disk.

        ``work`` runs inside a savepoint of its own: if it raises, only its changes are undone. Bulk work waits while
        captures are waiting. A caller that is cancelled while waiting may still have its work done. Raises ``Busy``,
        ``Closed``, and ``Upstream`` when the disk refuses the commit.
        """
        loop = asyncio.get_running_loop()
        call: _Call[T] = _Call(work, loop, loop.create_future())
        lane, most = (self._bulk, BULK_WAITING_MAX) if bulk else (self._captures, CAPTURES_WAITING_MAX)
        with self._ready:
            if self._closing:
                raise Closed("the store is shut", remedy="open it again")
            if len(lane) >= most:
                raise Busy("the store's writer is saturated", retry_after_s=0.5)
            lane.append(call)
            self._ready.notify()
        return await call.future

    @property
    def waiting(self) -> int:
        """Calls that wait for the writer."""
        return len(self._captures) + len(self._bulk)

    async def fold(self) -> None:
        """Checkpoint the write-ahead log fully."""
        await self.write(lambda c: None, bulk=True)
        self._fold_wanted = True
        await self.write(lambda c: None, bulk=True)

    def close(self) -> None:
        """Commit what waits, fold the log, release the folder."""
        with self._ready:
            if self._closing:
                return
            self._closing = True
            self._ready.notify()
        self._thread.stop(wait_s=30.0)
        super().close()
        self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._writer.close()
        os.close(self._lock_file)

    # ------------------------------------------------------------------ the writer's thread
    def _write_loop(self, stopping: threading.Event) -> None:
        while True:
            with self._ready:
                while not self._captures and not self._bulk:
                    if self._closing:
                        return
                    self._ready.wait(0.5)
            self._commit_batch()
            self._fold_when_long()

    def _commit_batch(self) -> None:
        done: list[_Call[Any]] = []
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            self._run_batch(done)
            self._writer.execute("COMMIT")
        except apsw.Error as refused:
            self._undo()
            failure = disk_failure(refused)
            for call in done:
                call.result, call.failure = None, failure
        _settle(done)

    def _run_batch(self, done: list[_Call[Any]]) -> None:
        """Captures first, then bulk work for one slice of time; always at least one call."""
        end = time.monotonic() + SLICE_S
        for _ in range(CAPTURES_PER_COMMIT):
            if not self._captures:
                break
            self._do(self._captures.popleft(), done)
        while self._bulk and not self._captures and (not done or time.monotonic() < end):
            self._do(self._bulk.popleft(), done)

    def _do(self, call: _Call[Any], done: list[_Call[Any]]) -> None:
        done.append(call)
        self._writer.execute("SAVEPOINT call")
        try:
            call.result = call.work(self._writer)
        except Exception as failure:
            if isinstance(failure, DISK_TROUBLE):
                raise
            self._writer.execute("ROLLBACK TO call")
            call.failure = failure
        self._writer.execute("RELEASE call")

    def _undo(self) -> None:
        if not self._writer.get_autocommit():
            self._writer.execute("ROLLBACK")

    _fold_wanted = False

    def _fold_when_long(self) -> None:
        wal = self._path.with_name(self._path.name + "-wal")
        long = wal.exists() and wal.stat().st_size > WAL_FOLD_BYTES
        if long or self._fold_wanted:
            mode = "TRUNCATE" if self._fold_wanted else "RESTART"
            self._fold_wanted = False
            self._writer.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()


def _settle(done: list[_Call[Any]]) -> None:
    """One wake-up a loop, however many callers wait there."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Call[Any]]] = {}
    for call in done:
        by_loop.setdefault(call.loop, []).append(call)
    for loop, calls in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(lambda calls=calls: [c.settle() for c in calls])


def _hold(folder: Path) -> int:
    """Lock a data folder for this process; the lock goes with the process, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as held:
        os.close(file)
        raise Conflict(
            f"another recalld has {folder} open",
            remedy="stop it, or give this one another data folder",
            code="FAILED_PRECONDITION",
        ) from held
    return file


def migrate(c: apsw.Connection, path: Path) -> None:
    """Bring a store to this version, one step and one transaction at a time. A newer one is refused untouched."""
    version = c.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise Conflict(
            f"{path} was written by a newer recalld (schema {version}, this one knows {SCHEMA_VERSION})",
            remedy="upgrade recalld, or open another data folder",
            code="FAILED_PRECONDITION",
        )
    for step in range(version + 1, SCHEMA_VERSION + 1):
        with c:
            for _ in c.execute(MIGRATIONS[step]):
                pass
            c.execute(f"PRAGMA user_version = {step}")


def disk_failure(refused: apsw.Error) -> RecalldError:
    """What a refused commit means to its callers."""
    if isinstance(refused, apsw.FullError):
        return Upstream(
            "the disk is full: nothing was written",
            remedy="free some space; reading goes on meanwhile",
            code="UNAVAILABLE",
        )
    if isinstance(refused, apsw.CorruptError):
        return Corrupt(f"the store is damaged: {refused}", remedy="run recalld doctor")
    return Upstream(f"the store could not be written: {refused}", remedy="check the disk; reading goes on meanwhile")
