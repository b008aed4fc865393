"""Notifies workers when jobs may have become ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from math import ceil

WAKE_S = 1.0
TIMER_SLOT_S = 0.02
"""Delayed notifications within this time share one timer, so a server with hundreds of changes a second keeps only a few."""


class JobWakeups:
    """Used on one loop. A follower wakes at every ``notify``, and once a second by itself."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Event] = set()
        self._later: set[int] = set()

    def notify(self, delay_s: float = 0.0) -> None:
        """Wake all followers; again after a delay, where a job becomes ready only then."""
        for event in self._listeners:
            event.set()
        if delay_s > 0:
            loop = asyncio.get_running_loop()
            # A slot later: uvloop counts from the beginning of the loop's iteration, so a timer may fire some ms early.
            slot = ceil((loop.time() + delay_s) / TIMER_SLOT_S) + 1
            if slot not in self._later:
                self._later.add(slot)
                loop.call_at(slot * TIMER_SLOT_S, self._notify_at, slot)

    def _notify_at(self, slot: int) -> None:
        self._later.discard(slot)
        self.notify()

    async def follow(self) -> AsyncIterator[None]:
        """Yields at once, then at every ``notify`` and at least every second."""
        event = asyncio.Event()
        self._listeners.add(event)
        try:
            while True:
                yield
                try:
                    async with asyncio.timeout(WAKE_S):
                        await event.wait()
                except TimeoutError:
                    continue
                event.clear()
        finally:
            self._listeners.discard(event)
