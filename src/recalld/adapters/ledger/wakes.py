"""Who waits for jobs, and is told when some may have become ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

WAKE_S = 1.0


class Wakes:
    """Used from one loop. A follower hears of every ``tell``, and looks once a second by itself."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Event] = set()

    def tell(self, delay_s: float = 0.0) -> None:
        """Wake all followers; again after a delay, where a job becomes ready only then."""
        for event in self._listeners:
            event.set()
        if delay_s > 0:
            asyncio.get_running_loop().call_later(delay_s, self.tell)

    async def follow(self) -> AsyncIterator[None]:
        """Yields at once, then at every ``tell`` and at least every second."""
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
