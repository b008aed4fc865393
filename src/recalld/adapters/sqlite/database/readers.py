"""Read-only connections to a store: bounded in number, and each read with a time limit."""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Generic, TypeVar

import apsw

from recalld.domain.errors import Closed, Corrupt, Invalid, RecalldError, deadline_exceeded
from recalld.infra.thread_pool import Pool

from .connection import connect, not_text, to_domain_error

T = TypeVar("T")
Work = Callable[[apsw.Connection], T]

READ_MAX_S = 30.0
"""A longer read is interrupted, whatever the deadline of its request."""
STEPS_BETWEEN_CHECKS = 50_000
"""VM steps of SQLite (about a millisecond) between two checks of whether a statement should go on. Each check acquires the
GIL, so short statements should have none."""
SCANS_RUNNING_MAX = 2
SCANS_WAITING_MAX = 64


@dataclass(eq=False, slots=True)
class _Read(Generic[T]):
    """One read. ``abandoned``: its caller was cancelled. ``end``: when its statements are interrupted."""

    work: Work[T]
    limit_s: float | None
    abandoned: bool = False
    end: float = inf

    @property
    def should_stop(self) -> bool:
        """True once continuing is of no use."""
        return self.abandoned or time.monotonic() >= self.end


class _Reader:
    """A read-only connection, and the read that uses it now."""

    def __init__(self, path: Path) -> None:
        self.connection = connect(path, readonly=True)
        self.reading: _Read[Any] | None = None
        self.connection.set_progress_handler(self._should_stop, STEPS_BETWEEN_CHECKS)

    def _should_stop(self) -> bool:
        return self.reading is not None and self.reading.should_stop


class _ReaderPool:
    """Connections for one purpose, one for each thread of a bounded pool."""

    def __init__(self, path: Path, name: str, *, count: int, waiting_max: int) -> None:
        self._path = path
        self._pool = Pool(name, running_max=count, waiting_max=waiting_max)
        self._idle: queue.SimpleQueue[_Reader] = queue.SimpleQueue()
        self._running: set[_Read[Any]] = set()

    async def read(self, work: Work[T], limit_s: float | None, *, fresh: bool = False) -> T:
        reading = _Read(work, limit_s)
        try:
            return await self._pool.run(self._run, reading, fresh=fresh)
        except asyncio.CancelledError:
            reading.abandoned = True
            raise

    def _run(self, reading: _Read[T], *, fresh: bool) -> T:
        reader: _Reader | None = None
        self._running.add(reading)
        try:
            reader = self._acquire(fresh)
            if reading.limit_s is not None:
                reading.end = time.monotonic() + reading.limit_s
            with reader.connection:
                reader.reading = reading
                try:
                    result = reading.work(reader.connection)
                finally:
                    reader.reading = None
            return result
        except apsw.InterruptError as late:
            raise _interrupted("a read of the store", reading) from late
        except apsw.Error as failed:
            raise to_domain_error(failed, self._path) from failed
        except UnicodeDecodeError as damaged:
            raise not_text(self._path) from damaged
        except OverflowError as large:
            raise Invalid("a number is too large for the store", remedy="stay below 2**63") from large
        finally:
            self._running.discard(reading)
            if reader is not None and fresh:
                reader.connection.close()
            elif reader is not None:
                self._idle.put(reader)

    def _acquire(self, fresh: bool) -> _Reader:
        try:
            return _Reader(self._path) if fresh else self._idle.get_nowait()
        except queue.Empty:
            return _Reader(self._path)

    def close(self) -> None:
        """Interrupt running reads, then close every connection."""
        for reading in list(self._running):
            reading.abandoned = True
        self._pool.close()
        while not self._idle.empty():
            self._idle.get_nowait().connection.close()


def _interrupted(what: str, reading: _Read[Any]) -> RecalldError:
    if reading.abandoned or reading.limit_s is None:
        return Closed(f"{what} was interrupted", remedy="its caller left, or the store is closing")
    return deadline_exceeded(what, reading.limit_s, "ask for less at once: a smaller folder, a lower limit")


class Readers:
    """Read-only connections to a store file: a few for short queries, and others for scans.

    Every read has a time limit, and is interrupted when its caller is cancelled. Interrupts happen between two steps of
    SQLite, so Python code between statements has to be short.
    """

    def __init__(self, path: Path, *, count: int, waiting_max: int = 256) -> None:
        self._path = path
        self._reads = _ReaderPool(path, "readers", count=count, waiting_max=waiting_max)
        self._scans = _ReaderPool(path, "scans", count=SCANS_RUNNING_MAX, waiting_max=SCANS_WAITING_MAX)
        self._damage_found: Callable[[], object] = lambda: None

    @property
    def path(self) -> Path:
        """The store's file."""
        return self._path

    def on_damage(self, callback: Callable[[], object]) -> None:
        """Have ``callback`` called on the reader's loop whenever a read or scan meets a damaged page."""
        self._damage_found = callback

    async def read(self, work: Work[T], *, limit_s: float = READ_MAX_S) -> T:
        """Run ``work`` inside one read transaction. Raises ``Busy`` when too many wait, ``Closed``, ``Corrupt``, and ``Upstream``
        (``DEADLINE_EXCEEDED``) when it takes longer than ``limit_s``."""
        return await self._watched(self._reads.read(work, limit_s))

    async def scan(self, work: Work[T], *, limit_s: float | None = READ_MAX_S) -> T:
        """The same on separate connections, for long reads: searches by pattern, counts, long listings. ``limit_s`` None:
        maintenance, which ends only with its caller or the store."""
        return await self._watched(self._scans.read(work, limit_s))

    async def _watched(self, reading: Awaitable[T]) -> T:
        try:
            return await reading
        except Corrupt as damaged:
            if isinstance(damaged.__cause__, apsw.Error):  # not a content that fails its hash
                self._damage_found()
            raise

    async def read_on_new_connection(self, work: Work[T]) -> T:
        """The same on a new connection: FTS5's integrity check fails on state that a used connection caches."""
        return await self._scans.read(work, None, fresh=True)

    def close(self) -> None:
        """Interrupt running reads, then close every connection."""
        self._reads.close()
        self._scans.close()
