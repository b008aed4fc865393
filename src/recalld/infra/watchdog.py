"""The always-on heartbeat: the loop measures its own lateness, a witness photographs who made it late.

The witness does not judge: a thread that measured the loop by itself would be held up by the same GIL and miss the very
stalls it looks for. It only looks at the stacks when a beat is overdue, as soon as it gets to run.
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
from .offload import Strand

BEAT_S = 0.1
LATE_S = 0.25
PHOTO_EVERY_S = 10.0
WINDOW = 1_024
FRAMES = 12
BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late the loop came to its beats.

    ``p50_s``..``max_s`` over the last ``samples`` beats (about 100 s). Since the start: ``stalls`` beats more than 250
    ms late, ``beats`` all beats, ``total_s`` their lateness added up, ``buckets`` their counts per upper bound in
    ``BOUNDS_S`` (last: beyond).
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
    """Watches the loop it is started on; ``photograph`` gets the loop thread's stack and its lateness so far."""

    def __init__(
        self,
        *,
        beat_s: float = BEAT_S,
        late_s: float = LATE_S,
        photo_every_s: float = PHOTO_EVERY_S,
        photograph: Callable[[str, float], None] | None = None,
    ) -> None:
        self._beat_s = beat_s
        self._late_s = late_s
        self._photo_every_s = photo_every_s
        self._photograph = photograph or _log_photo
        self._window = array("d")
        self._buckets = [0] * (len(BOUNDS_S) + 1)
        self._beats = 0
        self._total_s = 0.0
        self._stalls = 0
        self._due = 0.0
        self._thread_id = 0
        self._handle: asyncio.TimerHandle | None = None
        self._strand: Strand | None = None

    def start(self) -> None:
        """Begin to beat on the running loop."""
        if self._handle is None:
            self._thread_id = threading.get_ident()
            self._plan()
            self._strand = Strand("witness", self._witness)

    def stop(self) -> None:
        """Stop beating; ``lateness`` still answers. Harmless when called twice."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._strand is not None:
            self._strand.stop()
            self._strand = None

    def lateness(self) -> Lateness:
        """What was measured so far (all zero before the first beat)."""
        seen = sorted(self._window)
        return Lateness(
            samples=len(seen),
            p50_s=_quantile(seen, 0.5),
            p99_s=_quantile(seen, 0.99),
            p999_s=_quantile(seen, 0.999),
            max_s=seen[-1] if seen else 0.0,
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

    def _witness(self, stopping: threading.Event) -> None:
        seen_due = 0.0
        next_photo = 0.0
        while not stopping.wait(self._beat_s):
            now, due = time.monotonic(), self._due
            if now - due > self._late_s and due != seen_due and now >= next_photo:
                seen_due, next_photo = due, now + self._photo_every_s
                frame = sys._current_frames().get(self._thread_id)
                if frame is not None:
                    self._photograph("".join(traceback.format_stack(frame, limit=None)[-FRAMES:]), now - due)


def _quantile(ascending: list[float], share: float) -> float:
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))] if ascending else 0.0


def _log_photo(stack: str, late_s: float) -> None:
    get_logger("recalld.watchdog").warning("loop stalled", late_ms=round(late_s * 1000), stack=stack)
