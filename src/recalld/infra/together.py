"""Who waits for the same thing is served in one go: a group commit, for reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from recalld.domain.errors import Busy, Closed, Corrupt, Upstream

RESTS = 4
SHARED = (Busy, Closed, Corrupt, Upstream)
"""Failures of what is asked, not of a question: all who were asked for hear of them."""
A = TypeVar("A")
R = TypeVar("R")


class Together(Generic[A, R]):
    """Asks for ``work`` one at a time, each time on behalf of all who came since it last began.

    What an answer rests on is therefore never older than its question, and a crowd costs as many calls as fit one after
    the other, not as many as there are people. Bounded by whoever asks: one place for each caller that waits.

    The work is a task of its own: a caller that leaves (cancelled, past its deadline) neither ends it nor lets the next one
    begin beside it, and all who were asked for hear of its answer in the same turn of the loop.

    Who has patience waits a little for company: until the work has rested four times as long as it took, or as long as the
    patience lasts. So work that is short takes a fifth of the time at most, however many ask.
    """

    def __init__(self, work: Callable[[Sequence[A]], Awaitable[Sequence[R]]]) -> None:
        """``work``: answers in the order of the questions. It may be asked the same once more, after a failure. It ends by
        itself: no caller's deadline bounds it."""
        self._work = work
        self._waiting: list[tuple[A, asyncio.Future[R]]] = []
        self._pressing = False
        self._serving: asyncio.Task[None] | None = None
        self._rested_at = 0.0

    async def ask(self, question: A, *, linger_s: float = 0.0) -> R:
        """Its answer. Raises what ``work`` raises: for this question alone, unless it is one of ``SHARED``."""
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[R] = loop.create_future()
        self._waiting.append((question, mine))
        try:
            if (rest_s := min(linger_s, self._rested_at - loop.time())) > 0:
                await asyncio.wait([mine], timeout=rest_s)
            if not mine.done():
                self._pressing = True
                if self._serving is None:
                    self._serving = loop.create_task(self._serve())
            return await mine
        except asyncio.CancelledError:
            mine.cancel()
            self._waiting = [each for each in self._waiting if each[1] is not mine]
            raise

    async def _serve(self) -> None:
        """Call after call, while there are callers that wait for one."""
        loop = asyncio.get_running_loop()
        group: list[tuple[A, asyncio.Future[R]]] = []
        try:
            while self._pressing and self._waiting:
                self._pressing = False
                group, self._waiting = self._waiting, []
                begun = loop.time()
                await self._answer(group)
                now = loop.time()
                self._rested_at = now + RESTS * (now - begun)
        finally:
            self._serving = None
            for _, future in group:
                future.cancel()  # only when this task was cancelled, with its loop: otherwise all are done

    async def _answer(self, group: list[tuple[A, asyncio.Future[R]]]) -> None:
        group = [each for each in group if not each[1].done()]
        if not group:
            return
        try:
            answers = await self._work([question for question, _ in group])
            if len(answers) != len(group):
                raise RuntimeError(f"{len(group)} questions had {len(answers)} answers")
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is raised where the question was asked
            if len(group) == 1 or isinstance(failure, SHARED):
                for _, future in group:
                    _fail(future, failure)
                return
            # One of the questions is to blame: the others are asked without it.
            half = len(group) // 2
            await self._answer(group[:half])
            await self._answer(group[half:])
            return
        for (_, future), answer in zip(group, answers, strict=True):
            if not future.done():
                future.set_result(answer)


def _fail(future: asyncio.Future[R], failure: Exception) -> None:
    if future.done():
        return
    if isinstance(failure, StopIteration):  # no future takes one
        failure = RuntimeError(f"the call raised {failure!r}")
    future.set_exception(failure)
