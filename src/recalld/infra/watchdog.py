"""Measures event loop lag, always on; a sampler thread records the loop's stack while it is blocked.

The sampler does not measure: it is delayed by the same GIL and would miss the stalls it looks for. It only samples the
stack when a beat is overdue, as soon as it gets to run.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from array import array
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

from .logs import get_logger
from .thread_pool import DaemonThread

BEAT_S = 0.1
LATE_S = 0.25
SAMPLE_INTERVAL_S = 10.0
WINDOW = 1_024
FRAMES = 12
BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class LoopLag:
    """Event loop lag.

    ``p50_s``..``max_s`` over the last ``samples`` beats (about 100 s). Since the start: ``stalls`` beats more than 250 ms
    late, ``beats`` all beats, ``total_s`` the sum of their lag, ``buckets`` their counts per upper bound in ``BOUNDS_S``
    (last: beyond).
    """

    samples: int
    p50_s: float
    p99_s: float
    p999_s: float
    max_s: float
    stalls: int
    beats: int
    buckets: tuple[int, ...]
    total_s: float = 0.0


class Watchdog:
    """Watches the loop it is started on; ``on_stall`` gets the loop thread's stack and its lag so far."""

    def __init__(
        self,
        *,
        beat_s: float = BEAT_S,
        late_s: float = LATE_S,
        sample_interval_s: float = SAMPLE_INTERVAL_S,
        on_stall: Callable[[str, float], None] | None = None,
    ) -> None:
        self._beat_s = beat_s
        self._late_s = late_s
        self._sample_interval_s = sample_interval_s
        self._on_stall = on_stall or _log_stall
        self._window = array("d")
        self._buckets = [0] * (len(BOUNDS_S) + 1)
        self._beats = 0
        self._total_s = 0.0
        self._stalls = 0
        self._due = 0.0
        self._thread_id = 0
        self._handle: asyncio.TimerHandle | None = None
        self._thread: DaemonThread | None = None

    def start(self) -> None:
        """Start measuring on the running loop."""
        if self._handle is None:
            self._thread_id = threading.get_ident()
            self._plan()
            self._thread = DaemonThread("stack-sampler", self._sample_stacks)

    def stop(self) -> None:
        """Stop measuring; ``lag`` still returns what was measured. May be called twice."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._thread is not None:
            self._thread.stop()
            self._thread = None

    def lag(self) -> LoopLag:
        """What was measured so far (all zero before the first beat)."""
        lags = sorted(self._window)
        return LoopLag(
            samples=len(lags),
            p50_s=_quantile(lags, 0.5),
            p99_s=_quantile(lags, 0.99),
            p999_s=_quantile(lags, 0.999),
            max_s=lags[-1] if lags else 0.0,
            stalls=self._stalls,
            beats=self._beats,
            buckets=tuple(self._buckets),
            total_s=self._total_s,
        )

    def _plan(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = time.monotonic() + self._beat_s
        self._handle = loop.call_later(self._beat_s, self._beat)

    def _beat(self) -> None:
        late = max(0.0, time.monotonic() - self._due)
        if len(self._window) < WINDOW:
            self._window.append(late)
        else:
            self._window[self._beats % WINDOW] = late
        self._beats += 1
        self._total_s += late
        self._stalls += late > self._late_s
        self._buckets[bisect_left(BOUNDS_S, late)] += 1
        self._plan()

    def _sample_stacks(self, stopping: threading.Event) -> None:
        sampled_due = 0.0
        next_sample = 0.0
        while not stopping.wait(self._beat_s):
            now, due = time.monotonic(), self._due
            if now - due > self._late_s and due != sampled_due and now >= next_sample:
                sampled_due, next_sample = due, now + self._sample_interval_s
                frame = sys._current_frames().get(self._thread_id)
                if frame is not None:
                    self._on_stall("".join(traceback.format_stack(frame, limit=None)[-FRAMES:]), now - due)


def _quantile(ascending: list[float], share: float) -> float:
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))] if ascending else 0.0


def _log_stall(stack: str, late_s: float) -> None:
    get_logger("recalld.watchdog").warning("event loop blocked", late_ms=round(late_s * 1000), stack=stack)
