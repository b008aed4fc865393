"""The server's event loop: uvloop, with one timer of the system for all deadlines."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import time
from collections.abc import Callable
from contextvars import Context
from typing import TypeVarTuple, Unpack

import uvloop

Ts = TypeVarTuple("Ts")

_CANCELLED_MAX = 1_000
"""From here on, cancelled timers are removed once they outnumber half of those in the heap."""


class Loop(uvloop.Loop):
    """uvloop with one timer for all deadlines.

    A find sets a dozen deadlines, and nearly all are cancelled. uvloop creates and closes a libuv handle for each, and
    releases and re-acquires the GIL for every one that closes. Here they are in a heap, as in asyncio's own loop, and one
    libuv timer serves the next.
    """

    def __init__(self) -> None:
        super().__init__()
        self._due: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = itertools.count()
        self._cancelled = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    def time(self) -> float:
        """Seconds of the monotonic clock, now: uvloop's time is that of the iteration's beginning."""
        return time.monotonic()

    def call_later(
        self, delay: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See ``asyncio.loop.call_later``."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See ``asyncio.loop.call_at``."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._due, (when, next(self._numbers), handle))
        if when < self._timer_at:
            self._set_timer(when)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Called before a handle is cancelled. A handle that has run may be counted too, which only tidies earlier."""
        self._cancelled += 1
        if self._cancelled > max(_CANCELLED_MAX, len(self._due) // 2):
            self._due = [each for each in self._due if not each[2].cancelled()]
            heapq.heapify(self._due)
            self._cancelled = 0

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        # The system's timer counts whole milliseconds: rather one late than early.
        wait_s = math.ceil(max(0.0, when - self.time()) * 1000) / 1000
        self._timer = super().call_later(wait_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer, self._timer_at = None, math.inf
        now = self.time()
        while self._due and (self._due[0][0] <= now or self._due[0][2].cancelled()):
            _, _, handle = heapq.heappop(self._due)
            if not handle.cancelled():
                self.call_soon(_run, handle)
        if self._due:
            self._set_timer(self._due[0][0])


def _run(handle: asyncio.TimerHandle) -> None:
    if not handle.cancelled():
        handle._run()
