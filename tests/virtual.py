"""An event loop with virtual time and a random order of ready tasks: minutes pass at once, and a seed always gives the same
run. For code that awaits only timers, futures and other tasks; nothing here reads a socket."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

T = TypeVar("T")


class _NoWait(selectors.DefaultSelector):
    """Instead of waiting for the next timer it moves the loop's time there."""

    def __init__(self) -> None:
        super().__init__()
        self.loop: VirtualLoop | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("everybody waits and no timer is set: a deadlock")
        if timeout > 0 and self.loop is not None:
            self.loop.elapsed += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """``seed``: callbacks that are ready in the same turn run in an order drawn from it; None = as they came."""

    def __init__(self, seed: int | None = None) -> None:
        self.elapsed = 0.0
        selector = _NoWait()
        super().__init__(selector)
        selector.loop = self
        self._drawn = None if seed is None else random.Random(seed)

    def time(self) -> float:
        return self.elapsed

    def _run_once(self) -> None:
        ready: deque[Any] = self._ready  # type: ignore[attr-defined]
        if self._drawn is not None and len(ready) > 1:
            mixed = list(ready)
            self._drawn.shuffle(mixed)
            ready.clear()
            ready.extend(mixed)
        super()._run_once()  # type: ignore[misc]


class LoopClock:
    """See ``ports.clock.Clock``: the running loop's time."""

    def now(self) -> float:
        return 1_715_169_600.0 + asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def stamp(self, form: str) -> str:
        return datetime.fromtimestamp(self.now(), UTC).strftime(form)

    def token(self, bytes_count: int = 16) -> str:
        return "0" * (2 * bytes_count)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run(main: Callable[[], Coroutine[Any, Any, T]], seed: int | None = None) -> T:
    """The result of ``main`` on a loop of its own."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(seed)) as runner:
        return runner.run(main())
