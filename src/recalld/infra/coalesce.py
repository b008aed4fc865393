"""Who waits for the same thing is served in one go: a group commit, for reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from recalld.domain.errors import Busy, Closed, Corrupt, Upstream

REST_FACTOR = 4
SHARED_FAILURES = (Busy, Closed, Corrupt, Upstream)
"""Failures of what is asked, not of a question: all who were asked for hear of them."""
A = TypeVar("A")
R = TypeVar("R")


class Coalescer(Generic[A, R]):
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
        self._urgent = False
        self._task: asyncio.Task[None] | None = None
        self._resting_until = 0.0

    async def submit(self, item: A, *, linger_s: float = 0.0) -> R:
        """Its answer. Raises what ``work`` raises: for this question alone, unless it is one of ``SHARED_FAILURES``."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._waiting.append((item, future))
        try:
            if (rest_s := min(linger_s, self._resting_until - loop.time())) > 0:
                await asyncio.wait([future], timeout=rest_s)
            if not future.done():
                self._urgent = True
                if self._task is None:
                    self._task = loop.create_task(self._serve())
            return await future
        except asyncio.CancelledError:
            future.cancel()
            self._waiting = [each for each in self._waiting if each[1] is not future]
            raise

    async def _serve(self) -> None:
        """Call after call, while there are callers that wait for one."""
        loop = asyncio.get_running_loop()
        group: list[tuple[A, asyncio.Future[R]]] = []
        try:
            while self._urgent and self._waiting:
                self._urgent = False
                group, self._waiting = self._waiting, []
                begun = loop.time()
                await self._run(group)
                now = loop.time()
                self._resting_until = now + REST_FACTOR * (now - begun)
        finally:
            self._task = None
            for _, future in group:
                future.cancel()  # only when this task was cancelled, with its loop: otherwise all are done

    async def _run(self, group: list[tuple[A, asyncio.Future[R]]]) -> None:
        group = [each for each in group if not each[1].done()]
        if not group:
            return
        try:
            results = await self._work([item for item, _ in group])
            if len(results) != len(group):
                raise RuntimeError(f"{len(group)} questions had {len(results)} answers")
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is raised where the question was asked
            if len(group) == 1 or isinstance(failure, SHARED_FAILURES):
                for _, future in group:
                    _fail(future, failure)
                return
            # One of the questions is to blame: the others are asked without it.
            half = len(group) // 2
            await self._run(group[:half])
            await self._run(group[half:])
            return
        for (_, future), result in zip(group, results, strict=True):
            if not future.done():
                future.set_result(result)


def _fail(future: asyncio.Future[R], failure: Exception) -> None:
    if future.done():
        return
    if isinstance(failure, StopIteration):  # no future takes one
        failure = RuntimeError(f"the call raised {failure!r}")
    future.set_exception(failure)
