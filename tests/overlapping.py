"""Several coroutines, stepped in an order that the test chooses: a step lasts from one call of ``turn`` to the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

Turn = Callable[[], Awaitable[None]]
Work = Callable[[Turn], Awaitable[Any]]


class _Actor:
    def __init__(self, work: Work) -> None:
        self._parked, self._go = asyncio.Event(), asyncio.Event()
        self.task = asyncio.ensure_future(work(self._turn))
        self.task.add_done_callback(lambda _: self._parked.set())

    async def _turn(self) -> None:
        self._parked.set()
        await self._go.wait()
        self._go.clear()

    async def step(self) -> None:
        await self._parked.wait()
        if not self.task.done():
            self._parked.clear()
            self._go.set()
            await self._parked.wait()


async def overlapped(works: Sequence[Work], choose: Callable[[int], int]) -> list[Any]:
    """Their results. ``choose(n)`` says which of the n that have not ended takes the next step."""
    actors = [_Actor(work) for work in works]
    while going := [actor for actor in actors if not actor.task.done()]:
        await going[choose(len(going))].step()
    return [actor.task.result() for actor in actors]


def first_takes(steps: int) -> Callable[[int], int]:
    """The first one takes so many steps, then the others go to their ends, one after the other, and it goes on."""
    left = steps

    def choose(going: int) -> int:
        nonlocal left
        left -= 1
        return 0 if left >= 0 or going == 1 else 1

    return choose
