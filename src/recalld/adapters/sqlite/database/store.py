"""An embedded SQLite store: one writer thread with group commit, and a few readers. Functions are sent to connections."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections import deque
from math import inf
from pathlib import Path
from typing import Any, TypeVar

import apsw

from recalld.domain.errors import Busy, Closed, Upstream, deadline_exceeded, disk_full, refused_by_disk
from recalld.domain.results import DiskSpace
from recalld.infra.logs import get_logger
from recalld.infra.thread_pool import DaemonThread

from .batch import Call, Savepoint, Trial, resolve_by_loop
from .connection import BUSY_MS, PAGE_BYTES, lock_data_dir, to_domain_error, translate_error
from .opening import open_primary
from .readers import STEPS_BETWEEN_CHECKS, Readers, Work
from .reserve import Reserve, is_full

T = TypeVar("T")

SLICE_S = 0.005
CAPTURES_PER_COMMIT = 256
CAPTURES_WAITING_MAX = 4_096
BULK_WAITING_MAX = 512
BULK_SKIPPED_MAX = 8
"""Consecutive commits that foreground writes may fill alone; then one bulk call goes with them."""
CHECKPOINT_PAGES = 1_024
"""Pages in the write-ahead log (4 MB) from which it is checkpointed, beside the writer."""
CHECKPOINT_PAGES_FORCED = 4 * CHECKPOINT_PAGES
"""From here the writer checkpoints before it goes on, so the log stays bounded under any load."""
CHECKPOINT_WAIT_MS = 100
PAGES_MAX = (1 << 32) - 2
REWRITTEN_MAX_BYTES = 16 << 20
CLOSE_WAIT_S = 30.0
WRITE_MAX_S = 30.0
log = get_logger("recalld.store")


class Store(Readers):
    """The primary process's end: reads like every process, and writes through one thread."""

    def __init__(self, path: Path, *, readers: int = 4, reserve_bytes: int = 0) -> None:
        """Open (or create) a store. Blocks on the disk, so do not call it on an event loop.

        Raises ``Conflict`` if the store is open elsewhere or newer, ``Corrupt`` if it is damaged or its database is
        missing, ``Invalid``, ``Denied`` and ``Upstream`` where the folder cannot be used.
        """
        self._lock_file = lock_data_dir(path.parent)
        self._reserve = Reserve(path.parent, reserve_bytes)
        self._capped = False
        try:
            self._writer, self._checkpointer = self._open(path)
            if self._reserve.is_used():
                self._cap(0)
        except BaseException:
            os.close(self._lock_file)
            raise
        super().__init__(path, count=readers)
        self._captures: deque[Call[Any]] = deque()
        self._bulk: deque[Call[Any]] = deque()
        self._checkpoints: deque[Call[Any]] = deque()
        self._ready = threading.Condition()
        self._closing = False
        self._bulk_skipped = 0
        self._force_queued = False
        self._wal_is_long = threading.Event()
        self._call: Call[Any] | None = None
        self._call_end = inf
        self._writer.set_wal_hook(self._note_wal)
        self._writer.set_progress_handler(self._is_overdue, STEPS_BETWEEN_CHECKS)
        self._checkpoint_thread = DaemonThread("checkpointer", self._checkpoint_loop)
        self._write_thread = DaemonThread("writer", self._write_loop)

    def _open(self, path: Path) -> tuple[apsw.Connection, apsw.Connection]:
        try:
            return open_primary(path)
        except Upstream as refused:
            # Opening makes small files, for which a full disk has no space either.
            if not refused_by_disk(refused) or not self._reserve.release():
                raise
            return open_primary(path)

    async def write(
        self, work: Work[T], *, bulk: bool = False, limit_s: float | None = WRITE_MAX_S, frees: bool = False
    ) -> T:
        """Run ``work`` in the next commit; returns once that is on disk.

        If ``work`` raises, only its own changes are undone; it may then be run a second time, so it must have no effect
        but on the store. Bulk work waits while captures are waiting. A caller that is cancelled while waiting may still
        have its work done. Raises ``Busy``, ``Closed``, and ``Upstream`` when the disk refuses the commit or ``work`` takes
        longer than ``limit_s``: then nothing of it was done. ``frees``: it gives space back in the end, so on a full disk it
        may use what was set aside for that.
        """
        queue, most = (self._bulk, BULK_WAITING_MAX) if bulk else (self._captures, CAPTURES_WAITING_MAX)
        return await self._enqueue(queue, most, work, limit_s, frees)

    async def disk_space(self) -> DiskSpace:
        """How the disk stands; allocates the reserve where it is missing and the disk has space for it."""
        return await self._enqueue(self._checkpoints, BULK_WAITING_MAX, self._measure_disk, None)

    async def compact(self) -> None:
        """Checkpoint the write-ahead log fully, as far as readers allow, and truncate it."""
        await self._enqueue(self._checkpoints, BULK_WAITING_MAX, _truncate, None)

    async def rewrite(self) -> None:
        """Rewrite the file without free and lost pages. Writes wait meanwhile."""
        await self._enqueue(self._checkpoints, BULK_WAITING_MAX, _vacuum, None)

    async def rewrite_small(self) -> None:
        """Rewrite a file of up to 16 MiB, about 0.15 s of the writer.

        SQLite zeroes what it deletes, but where it spreads a page's entries over its neighbours, a copy may stay in the unused
        part of the page.
        """
        try:
            await self._enqueue(self._checkpoints, BULK_WAITING_MAX, _vacuum_small, None)
        except (Busy, Upstream) as refused:  # it needs as much space again
            log.info("store file not rewritten", error=str(refused))

    async def _enqueue(
        self, queue: deque[Call[Any]], most: int, work: Work[T], limit_s: float | None, frees: bool = False
    ) -> T:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        call = Call(work, loop, future, limit_s, frees)
        with self._ready:
            if self._closing:
                raise Closed("the store is shut", remedy="open it again")
            if len(queue) >= most:
                raise Busy("the store's writer is saturated", retry_after_s=0.5)
            queue.append(call)
            self._ready.notify()
        return await future

    @property
    def waiting(self) -> int:
        """Calls queued for the writer."""
        return len(self._captures) + len(self._bulk)

    def close(self) -> None:
        """Commit what is queued, checkpoint the log, release the folder. Blocks on the disk, so do not call it on an event
        loop."""
        with self._ready:
            if self._closing:
                return
            self._closing = True
            self._ready.notify()
        written = self._write_thread.stop(wait_s=CLOSE_WAIT_S)
        if not written:
            self._writer.interrupt()
            written = self._write_thread.stop(wait_s=CLOSE_WAIT_S)
        self._wal_is_long.set()
        checkpointed = self._checkpoint_thread.stop(wait_s=CLOSE_WAIT_S)
        super().close()
        if checkpointed:
            self._checkpointer.close()
        if not written:
            # A connection is one thread's at a time: it stays with the writer, and so does the lock.
            log.error("store writer did not stop", seconds=CLOSE_WAIT_S, path=str(self._path))
            return
        try:
            _truncate(self._writer)
        except apsw.Error as failed:
            log.warning("WAL not checkpointed at close", error=str(failed), path=str(self._path))
        self._writer.close()
        os.close(self._lock_file)

    # ------------------------------------------------------------------ the writer's thread
    def _write_loop(self, stopping: threading.Event) -> None:
        while True:
            with self._ready:
                while not self._captures and not self._bulk and not self._checkpoints:
                    if self._closing:
                        return
                    self._ready.wait(0.5)
            if self._captures or self._bulk:
                self._commit_batch()
            while self._checkpoints:
                self._run_checkpoint(self._checkpoints.popleft())

    def _commit_batch(self) -> None:
        first = [self._captures.popleft() for _ in range(min(len(self._captures), CAPTURES_PER_COMMIT))]
        only_bulk = not first
        done = first or [self._bulk.popleft()]
        if self._capped:
            self._measure_disk(self._writer)
        try:
            if not self._commit_at_once(done, only_bulk):
                self._commit_separately(done)
        except apsw.Error as refused:
            if self._undo(done, refused):
                self._commit_freeing([call for call in done if call.frees])
        for call in done:
            if isinstance(call.failure, apsw.InterruptError) and call.limit_s is not None:
                call.failure = deadline_exceeded(
                    "a change of the store", call.limit_s, "nothing was done; change less at once"
                )
            call.failure = translate_error(call.failure, self._path)
        resolve_by_loop(done)

    def _undo(self, done: list[Call[Any]], refused: apsw.Error) -> bool:
        """Tell all that nothing was done, and why; True: because the disk is full."""
        full = is_full(refused, self._writer.system_errno)
        if not self._writer.get_autocommit():
            self._writer.execute("ROLLBACK")
        for call in done:
            call.result, call.failure = None, disk_full() if full else to_domain_error(refused, self._path)
        return full

    def _commit_freeing(self, done: list[Call[Any]]) -> None:
        """On a full disk what gives space back is done with the space set aside. Until that is set aside again the file may
        not grow for anything else."""
        if not done:
            return
        if not self._reserve.release():
            self._fold_if_possible()
        self._cap(self._reserve.size // PAGE_BYTES)
        try:
            self._commit_separately(done)
        except apsw.Error as refused:
            self._undo(done, refused)
        self._fold_if_possible()
        self._cap(0)

    def _fold_if_possible(self) -> None:
        """Pages of the log that are folded back can be written over."""
        with contextlib.suppress(apsw.Error):
            self._forced_checkpoint(self._writer)

    def _cap(self, pages: int) -> None:
        """Let the file grow by so many pages and no more."""
        if self._reserve.size:
            self._capped = True
            self._writer.pragma("max_page_count", int(str(self._writer.pragma("page_count"))) + pages)

    def _measure_disk(self, c: apsw.Connection) -> DiskSpace:
        complete = self._reserve.keep()
        if complete and self._capped:
            self._capped = False
            c.pragma("max_page_count", PAGES_MAX)
        return DiskSpace(self._reserve.free(), self._reserve.reserved(), complete)

    def _commit_at_once(self, done: list[Call[Any]], only_bulk: bool) -> bool:
        """Run all calls without savepoints, each of which would make FTS5 flush its buffer. False: one failed, and all were
        undone."""
        trial = Trial(self._writer)
        self._writer.execute("BEGIN IMMEDIATE")
        with trial:
            end = time.monotonic() + SLICE_S
            for call in done:
                self._run(call)
            self._run_bulk(done, end, had_one=only_bulk)
        if trial.failure is None:
            self._writer.execute("COMMIT")
        elif isinstance(trial.failure, apsw.InterruptError) and self._call is not None:
            self._call.failure = trial.failure  # it exceeded its limit: the others are run without it
        elif len(done) == 1:
            done[0].result, done[0].failure = None, trial.failure
        return trial.failure is None or len(done) == 1

    def _commit_separately(self, done: list[Call[Any]]) -> None:
        """Run the calls one after the other, each with its own savepoint. The batch is run again without calls that were
        interrupted, since an interrupt may end the whole transaction."""
        while left := [call for call in done if not isinstance(call.failure, apsw.InterruptError)]:
            trial = Trial(self._writer)
            self._writer.execute("BEGIN IMMEDIATE")
            with trial:
                for call in left:
                    call.result = call.failure = None
                    with Savepoint(self._writer, call):
                        self._run(call)
            if trial.failure is None:
                self._writer.execute("COMMIT")
                return
            if not isinstance(trial.failure, apsw.InterruptError) or self._call is None:
                raise trial.failure
            self._call.failure = trial.failure

    def _run(self, call: Call[Any]) -> None:
        self._call = call
        self._call_end = inf if call.limit_s is None else time.monotonic() + call.limit_s
        try:
            call.result = call.work(self._writer)
        finally:
            self._call_end = inf

    def _is_overdue(self) -> bool:
        return time.monotonic() >= self._call_end

    def _run_bulk(self, done: list[Call[Any]], end: float, *, had_one: bool) -> None:
        """Bulk calls until the time slice is used up, or until foreground calls wait; foreground calls cannot starve them
        for ever."""
        late = bool(self._captures) or time.monotonic() >= end
        if self._bulk and late and not had_one and self._bulk_skipped < BULK_SKIPPED_MAX:
            self._bulk_skipped += 1
            return
        self._bulk_skipped = 0
        while self._bulk and not (had_one and (self._captures or time.monotonic() >= end)):
            done.append(self._bulk.popleft())
            self._run(done[-1])
            had_one = True

    # ------------------------------------------------------------------ the write-ahead log
    def _note_wal(self, c: apsw.Connection, name: str, pages: int) -> int:
        if pages > CHECKPOINT_PAGES:
            self._wal_is_long.set()
        if pages > CHECKPOINT_PAGES_FORCED:
            with self._ready:
                if not self._force_queued:
                    self._force_queued = True
                    self._checkpoints.append(_detached(self._forced_checkpoint))
        return apsw.SQLITE_OK

    def _checkpoint_loop(self, stopping: threading.Event) -> None:
        """Checkpoint a long log beside the writer. The writer then checkpoints the remainder, and the log can be reused
        from its beginning."""
        while not stopping.is_set():
            self._wal_is_long.wait()
            self._wal_is_long.clear()
            if stopping.is_set() or self._closing:
                return
            try:
                self._checkpointer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            except apsw.Error:
                continue  # a full disk: the log stays, and the next commit that finds it long tries again
            with self._ready:
                if not self._closing:
                    self._checkpoints.append(_detached(_passive))
                    self._ready.notify()

    def _forced_checkpoint(self, c: apsw.Connection) -> None:
        """Checkpoint even if that means waiting a moment, for the checkpoint thread or for readers of old pages."""
        self._force_queued = False
        c.set_busy_timeout(CHECKPOINT_WAIT_MS)
        try:
            c.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        finally:
            c.set_busy_timeout(BUSY_MS)

    def _run_checkpoint(self, call: Call[Any]) -> None:
        try:
            call.result = call.work(self._writer)
        except apsw.Error as refused:
            call.failure = to_domain_error(refused, self._path)
        resolve_by_loop([call])


def _detached(work: Work[None]) -> Call[None]:
    """A call whose result is not awaited."""
    return Call(work, None, None)


def _passive(c: apsw.Connection) -> None:
    c.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _truncate(c: apsw.Connection) -> None:
    c.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _vacuum_small(c: apsw.Connection) -> None:
    if int(str(c.pragma("page_count"))) * PAGE_BYTES <= REWRITTEN_MAX_BYTES:
        _vacuum(c)


def _vacuum(c: apsw.Connection) -> None:
    c.execute("VACUUM").fetchall()
    _truncate(c)
