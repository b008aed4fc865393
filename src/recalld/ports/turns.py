"""Turns: callers that read, decide and commit about the same thing go one after another, in the order they came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
    (such as ``PutFile.expect``), since other processes and other verbs commit without taking a turn. Hold one only
    from the read to the commit, never across a provider's call.
    """

    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}

    @property
    def idle(self) -> bool:
        """True while nobody holds or waits for anything."""
        return not self._queues

    @asynccontextmanager
    async def of(self, *keys: str, within_s: float) -> AsyncIterator[None]:
        """Hold these keys, taken in one order for all callers, so that two callers never wait for each other. Raises ``Busy``
        when they did not come free in time, or too many wait."""
        wanted = sorted(set(keys))
        queues, alone = self._join(wanted)
        held: list[_Queue] = []
        try:
            if alone:  # nobody has any of them: nothing to wait for, and no time to keep
                await _take(queues, held)
            else:
                try:
                    async with asyncio.timeout(within_s):
                        await _take(queues, held)
                except TimeoutError as late:
                    raise _busy(keys[0]) from late
            yield
        finally:
            for queue in held:
                queue.lock.release()
            self._leave(wanted)

    def _join(self, keys: list[str]) -> tuple[list[_Queue], bool]:
        """The queues of these keys, with one caller more each, and whether there is no other caller in any. Raises ``Busy``."""
        queues = [self._queues.get(key) for key in keys]
        for key, queue in zip(keys, queues, strict=True):
            if queue is not None and queue.callers >= WAITING_MAX:
                raise _busy(key)
        joined = [
            self._queues.setdefault(key, _Queue()) if queue is None else queue
            for key, queue in zip(keys, queues, strict=True)
        ]
        for queue in joined:
            queue.callers += 1
        return joined, all(queue is None for queue in queues)

    def _leave(self, keys: list[str]) -> None:
        for key in keys:
            queue = self._queues[key]
            queue.callers -= 1
            if not queue.callers:
                del self._queues[key]


async def _take(queues: list[_Queue], held: list[_Queue]) -> None:
    for queue in queues:
        await queue.lock.acquire()
        held.append(queue)


def _busy(key: str) -> Busy:
    return Busy(f"{key} is being changed by many at once", retry_after_s=1.0)
