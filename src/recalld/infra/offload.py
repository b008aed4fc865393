"""The one file that names a thread: bounded pools for work that must not run on the loop, and single strands."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from recalld.domain.errors import Busy, Closed

P = ParamSpec("P")
T = TypeVar("T")


class Pool:
    """A named thread pool for one dependency.

    At most ``running_max`` calls run and ``waiting_max`` wait; one more raises ``Busy`` at once. A caller that gives up
    (cancelled, past its deadline) frees its waiting place; a call already running ends by itself.
    """

    def __init__(self, name: str, *, running_max: int, waiting_max: int, retry_after_s: float = 0.5) -> None:
        self.name = name
        self.running_max = running_max
        self.waiting_max = waiting_max
        self._retry_after_s = retry_after_s
        self._executor = ThreadPoolExecutor(running_max, thread_name_prefix=f"recalld-{name}")
        self._lock = threading.Lock()
        self._inside = 0
        self._closed = False

    @property
    def inside(self) -> int:
        """How many calls run or wait now."""
        return self._inside

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``call`` on one of the pool's threads, in the caller's context (so that its log lines name the request).

        Raises ``Busy``, ``Closed`` and whatever the call raises.
        """
        with self._lock:
            if self._closed:
                raise Closed(f"pool {self.name} is shut", remedy="the server is stopping; ask again after its restart")
            if self._inside >= self.running_max + self.waiting_max:
                raise Busy(f"{self.name} is saturated", retry_after_s=self._retry_after_s)
            self._inside += 1
        context = contextvars.copy_context()
        try:
            future: Future[T] = self._executor.submit(lambda: context.run(call, *args, **kwargs))
        except RuntimeError as shut:  # closed between the check and here
            self._leave(None)
            raise Closed(f"pool {self.name} is shut", remedy="the server is stopping") from shut
        future.add_done_callback(self._leave)
        return await asyncio.wrap_future(future)

    def _leave(self, _: Future[Any] | None) -> None:
        with self._lock:
            self._inside -= 1

    def close(self) -> None:
        """Refuse new calls, drop waiting ones, let running ones end (waits for them)."""
        with self._lock:
            self._closed = True
        self._executor.shutdown(wait=True, cancel_futures=True)


class Strand:
    """One daemon thread with one duty that lasts as long as its owner.

    ``duty`` is called once with the event that tells it to end; ``stop`` sets it and waits at most ``wait_s``.
    """

    def __init__(self, name: str, duty: Callable[[threading.Event], None]) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=duty, args=(self._stopping,), name=f"recalld-{name}", daemon=True)
        self._thread.start()

    def stop(self, wait_s: float = 1.0) -> None:
        """Tell it to end. Harmless when called twice."""
        self._stopping.set()
        if self._thread is not threading.current_thread():
            self._thread.join(wait_s)
