"""Background tasks that live as long as a block of code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from .logs import get_logger

log = get_logger("recalld.tasks")
RESTART_S = 1.0


@asynccontextmanager
async def background(name: str, run: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Keep ``run`` going while the block lasts: restarted a second after it fails or ends, cancelled at the end."""
    task = asyncio.create_task(_restart_forever(name, run), name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _restart_forever(name: str, run: Callable[[], Awaitable[None]]) -> None:
    while True:
        task = asyncio.ensure_future(run())
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled() and (failure := task.exception()) is not None:
            log.error("background task failed, restarting", task=name, exc_info=failure)
        await asyncio.sleep(RESTART_S)


class cancel_when:
    """Cancels the enclosed block when ``condition()`` returns, for example because the client has disconnected.

    ``condition`` is not called in the first ``after_s`` seconds, since most blocks have ended by then. ``fired`` says
    whether the block was cancelled for that reason; call ``absorb`` before going on after that.
    """

    def __init__(self, condition: Callable[[], Awaitable[None]], after_s: float) -> None:
        self._condition = condition
        self._after_s = after_s
        self._block: asyncio.Task[object] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self.fired = False

    def __enter__(self) -> cancel_when:
        self._block = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(self._after_s, self._begin)
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    async def absorb(self) -> None:
        """Absorb the cancellation, whether it has been raised yet or not."""
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            pass  # it was on its way: this is the moment it was waited for
        if self._block is not None:
            self._block.uncancel()

    def _begin(self) -> None:
        self._watcher = asyncio.get_running_loop().create_task(self._wait())

    async def _wait(self) -> None:
        await self._condition()
        self.fired = True
        if self._block is not None:
            self._block.cancel()
