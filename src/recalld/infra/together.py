"""Who waits for the same thing is served in one go: a group commit, for reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

RESTS = 4
A = TypeVar("A")
R = TypeVar("R")


class Together(Generic[A, R]):
    """Asks for ``work`` one at a time, each time on behalf of all who came since it last began.

    What an answer rests on is therefore never older than its question, and a crowd costs as many calls as fit one after
    the other, not as many as there are people. Bounded by whoever asks: one place for each caller that waits.

    Who has patience waits a little for company: until the work has rested four times as long as it took, or as long as the
    patience lasts. So work that is short takes a fifth of the time at most, however many ask.
    """

    def __init__(self, work: Callable[[Sequence[A]], Awaitable[Sequence[R]]]) -> None:
        """``work``: answers in the order of the questions. It may be asked the same once more, after a failure."""
        self._work = work
        self._turn = asyncio.Lock()
        self._waiting: list[tuple[A, asyncio.Future[R]]] = []
        self._rested_at = 0.0

    async def ask(self, question: A, *, patience_s: float = 0.0) -> R:
        """Its answer. Raises what ``work`` raises."""
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[R] = loop.create_future()
        self._waiting.append((question, mine))
        try:
            if (rest_s := min(patience_s, self._rested_at - loop.time())) > 0:
                await asyncio.wait([mine], timeout=rest_s)
            if not mine.done():
                async with self._turn:
                    if not mine.done():
                        await self._serve()
        finally:
            if not mine.done():  # failed, or given up: nobody is to ask for this one any more
                mine.cancel()
                self._waiting = [each for each in self._waiting if each[1] is not mine]
        return mine.result()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        group, self._waiting = self._waiting, []
        try:
            answers = await self._work([question for question, _ in group])
            for (_, future), answer in zip(group, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
        finally:
            now = loop.time()
            self._rested_at = now + RESTS * (now - begun)
            # Left without an answer, because the one who asked for all failed or gave up: whose turn is next asks again.
            self._waiting = [each for each in group if not each[1].done()] + self._waiting
