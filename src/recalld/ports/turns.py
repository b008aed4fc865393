"""Turns: callers that read, decide and commit about the same thing go one after another, in the order they came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from recalld.domain.errors import Busy

WAITING_MAX = 1_000
"""Callers of one key, the one whose turn it is included."""


@dataclass(slots=True)
class _Queue:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    callers: int = 0


class Turns:
    """Queues by key, made when somebody comes and dropped when the last one leaves. Fair, of one event loop.

    They keep callers of this process from spinning; they do not make a change safe. That is the commit's condition
    (``PutFile.expect`` and its kin), since other processes and other verbs commit without taking a turn. Hold one only
    from the read to the commit, never across a provider's call.
    """

    def __init__(self) -> None:
        self._queues: dict[Hashable, _Queue] = {}

    @property
    def idle(self) -> bool:
        """True while nobody holds or waits for anything."""
        return not self._queues

    @asynccontextmanager
    async def of(self, *keys: str, within_s: float) -> AsyncIterator[None]:
        """Hold these keys, taken in one order whoever asks, so that two callers never wait for each other. Raises ``Busy``
        when they did not come free in time, or too many wait."""
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(within_s):
                    for key in sorted(set(keys)):
                        await held.enter_async_context(self._one(key))
            except TimeoutError as late:
                raise Busy(f"{keys[0]} is being changed by many at once", retry_after_s=1.0) from late
            yield

    @asynccontextmanager
    async def _one(self, key: str) -> AsyncIterator[None]:
        queue = self._queues.setdefault(key, _Queue())
        if queue.callers >= WAITING_MAX:
            raise Busy(f"{key} is being changed by many at once", retry_after_s=1.0)
        queue.callers += 1
        try:
            async with queue.lock:
                yield
        finally:
            queue.callers -= 1
            if not queue.callers:
                del self._queues[key]
