"""Coalesces concurrent calls: one call answers everyone who was waiting (group commit, for reads)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from recalld.domain.errors import Busy, Closed, Corrupt, Upstream

REST_FACTOR = 4
SHARED_FAILURES = (Busy, Closed, Corrupt, Upstream)
"""Failures of the dependency, not of one item: all waiting callers get them."""
A = TypeVar("A")
R = TypeVar("R")


class Coalescer(Generic[A, R]):
    """Runs ``work`` one call at a time, each on behalf of all items submitted since the last one began.

    A result is therefore never based on data older than its submission, and concurrent callers cost as many calls as fit
    one after the other. The queue is bounded by the callers: one place each.

    The work runs in a task of its own. A cancelled caller neither ends it nor lets the next call begin beside it. Callers
    of a batch get their results one a loop iteration, while the next call runs: together they would hold the loop for as
    long as all of them take to go on.

    Callers may linger up to ``linger_s`` so that calls can be batched; at most 1/5 of the time is spent working, however
    many callers there are.
    """

    def __init__(self, work: Callable[[Sequence[A]], Awaitable[Sequence[R]]]) -> None:
        """``work`` returns results in the order of the items. It may be called with the same items again after a failure.
        It must end by itself: no caller's deadline bounds it."""
        self._work = work
        self._waiting: list[tuple[A, asyncio.Future[R]]] = []
        self._urgent = False
        self._task: asyncio.Task[None] | None = None
        self._results: deque[tuple[asyncio.Future[R], R]] = deque()
        self._resting_until = 0.0

    async def submit(self, item: A, *, linger_s: float = 0.0) -> R:
        """The item's result. Raises what ``work`` raises: for this item alone, unless it is one of ``SHARED_FAILURES``."""
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
        """Call after call, while callers wait."""
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
        except asyncio.CancelledError:  # with its loop
            for _, future in group:
                future.cancel()
            raise
        finally:
            self._task = None

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
            # One of the questions is to blame: the others are sent without it.
            half = len(group) // 2
            await self._run(group[:half])
            await self._run(group[half:])
            return
        if not self._results:
            asyncio.get_running_loop().call_soon(self._deliver)
        self._results.extend((future, result) for (_, future), result in zip(group, results, strict=True))

    def _deliver(self) -> None:
        """Give the next caller its result, and the others theirs in further iterations of the loop."""
        future, result = self._results.popleft()
        if not future.done():
            future.set_result(result)
        if self._results:
            asyncio.get_running_loop().call_soon(self._deliver)


def _fail(future: asyncio.Future[R], failure: Exception) -> None:
    if future.done():
        return
    if isinstance(failure, StopIteration):  # a future cannot hold one
        failure = RuntimeError(f"the call raised {failure!r}")
    future.set_exception(failure)
