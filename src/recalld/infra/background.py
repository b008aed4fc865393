"""Tasks that live as long as a block of code: each has a parent that ends it and hears of its failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

log = structlog.get_logger("recalld.background")
RESTART_S = 1.0


@asynccontextmanager
async def background(name: str, run: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Keep ``run`` going while the block lasts: started again a second after it fails or ends, cancelled at the end."""
    task = asyncio.create_task(_keep(name, run), name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _keep(name: str, run: Callable[[], Awaitable[None]]) -> None:
    while True:
        task = asyncio.ensure_future(run())
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled() and (failure := task.exception()) is not None:
            log.error("background task failed; it starts again", task=name, exc_info=failure)
        await asyncio.sleep(RESTART_S)
