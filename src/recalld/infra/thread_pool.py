"""The only module that starts threads: bounded pools for blocking work, and single daemon threads."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, ParamSpec, TypeVar
from weakref import WeakValueDictionary

from recalld.domain.errors import Busy, Closed, Conflict

from .cpu_affinity import unpinned

P = ParamSpec("P")
T = TypeVar("T")


class _Call:
    """One call: its context, its loop and its function."""

    __slots__ = ("context", "function", "future", "loop", "on_done")

    def __init__(self, function: Callable[[], Any], on_done: Callable[[], None]) -> None:
        self.function = function
        self.on_done = on_done
        self.context = contextvars.copy_context()
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()

    def work(self) -> None:
        """On a thread: do it and tell."""
        try:
            result = self.context.run(self.function)
        except StopIteration as odd:
            # A future cannot carry it.
            self.deliver(None, RuntimeError(f"a call ended in StopIteration: {odd}"))
        except BaseException as raised:  # noqa: BLE001 - whatever it is, it is raised where the call was made
            self.deliver(None, raised)
        else:
            self.deliver(result, None)

    def deliver(self, result: object, failure: BaseException | None) -> None:
        """From any thread: resolve the future, unless the loop is closed."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._resolve, result, failure)

    def _resolve(self, result: object, failure: BaseException | None) -> None:
        self.on_done()
        if self.future.done():
            return  # the caller was cancelled
        if failure is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(failure)


class Pool:
    """A named thread pool for one dependency, used from one loop.

    At most ``running_max`` calls run and ``waiting_max`` wait; one more raises ``Busy`` at once. A cancelled caller frees
    its queue slot; a running call is not interrupted, and keeps its slot until it ends.

    Not ``ThreadPoolExecutor``: a find crosses half a dozen times, and the executor's futures, with a lock and a condition
    each, cost twice as much as the crossing. Here slots are counted on the loop alone, so nothing needs a lock.
    """

    def __init__(
        self, name: str, *, running_max: int, waiting_max: int, retry_after_s: float = 0.5, allow_all_cpus: bool = False
    ) -> None:
        """``allow_all_cpus``: its work releases the GIL for long, so it may use every CPU."""
        self.name = name
        self._where = unpinned if allow_all_cpus else nullcontext
        self.running_max = running_max
        self.waiting_max = waiting_max
        self._retry_after_s = retry_after_s
        self._calls: deque[_Call] = deque()
        # One token for each call in the deque, or a thread on its way to one; False tells a thread to end.
        self._tokens: SimpleQueue[bool] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._in_flight = 0
        self._closed = threading.Event()
        _open_pools[id(self)] = self

    @property
    def in_flight(self) -> int:
        """How many calls run or wait now."""
        return self._in_flight

    @property
    def queued(self) -> int:
        """How many calls no thread has taken yet."""
        return len(self._calls)

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``call`` on one of the pool's threads, in the caller's context (so that its log lines name the request).

        Raises ``Busy``, ``Closed`` and whatever the call raises.
        """
        if self._closed.is_set():
            raise self._closed_error()
        if self._in_flight >= self.running_max + self.waiting_max:
            raise Busy(f"{self.name} is saturated", retry_after_s=self._retry_after_s)
        self._in_flight += 1
        # As many threads as were ever needed at once.
        if len(self._threads) < min(self._in_flight, self.running_max):
            thread = threading.Thread(target=self._serve, name=f"recalld-{self.name}_{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        one = _Call(partial(call, *args, **kwargs), self._leave)
        self._calls.append(one)
        self._tokens.put(True)
        if self._closed.is_set() and self._take_out(
            one
        ):  # closed meanwhile by another thread: no thread would come for it
            self._leave()
            raise self._closed_error()
        try:
            result: T = await one.future
        except asyncio.CancelledError:
            if self._take_out(one):
                self._leave()
            raise
        return result

    def _take_out(self, one: _Call) -> bool:
        """Remove a call that no thread has taken; False if one has."""
        try:
            self._calls.remove(one)
        except ValueError:
            return False
        with suppress(Empty):  # then a thread has the token, and finds no call
            if not self._tokens.get_nowait():
                self._tokens.put(False)
        return True

    def _leave(self) -> None:
        self._in_flight -= 1

    def _closed_error(self) -> Closed:
        return Closed(f"pool {self.name} is closed", remedy="the server is stopping; try again after its restart")

    def _serve(self) -> None:
        with self._where():
            while self._tokens.get():
                try:
                    one = self._calls.popleft()
                except IndexError:  # its caller was cancelled
                    continue
                one.work()
                # Held until the next call came, its arguments or result could be large things.
                del one

    def close(self) -> None:
        """Refuse new calls, drop waiting ones, let running ones end (waits for them)."""
        if self._closed.is_set():
            return
        self._closed.set()
        _open_pools.pop(id(self), None)
        with suppress(IndexError):
            while True:
                self._calls.popleft().deliver(None, self._closed_error())
        for _ in self._threads:
            self._tokens.put(False)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()


_open_pools: WeakValueDictionary[int, Pool] = WeakValueDictionary()


class PoolState(NamedTuple):
    """Load of a pool. ``running`` and ``waiting`` are calls now, the others its limits."""

    name: str
    running: int
    waiting: int
    running_max: int
    waiting_max: int


def pools() -> list[PoolState]:
    """Every open pool of this process, by name; pools of one name are added up."""
    states: dict[str, PoolState] = {}
    for reference in _open_pools.valuerefs():
        pool = reference()
        if pool is None:
            continue
        running = min(pool.in_flight, pool.running_max)
        now = (running, pool.in_flight - running, pool.running_max, pool.waiting_max)
        before = states.get(pool.name)
        states[pool.name] = PoolState(
            pool.name, *(now if before is None else map(sum, zip(before[1:], now, strict=True)))
        )
    return [states[name] for name in sorted(states)]


class Lock:
    """``with`` it on pools' threads around a few lines that touch memory alone: never around I/O or another wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class DaemonThread:
    """One daemon thread that runs ``target`` for as long as its owner lives.

    ``target`` is called once with the event that signals it to end; ``stop`` sets it and waits at most ``wait_s``.
    """

    def __init__(self, name: str, target: Callable[[threading.Event], None]) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=target, args=(self._stopping,), name=f"recalld-{name}", daemon=True)
        self._thread.start()

    def stop(self, wait_s: float = 1.0) -> bool:
        """Signal it to end; True once it has. May be called twice."""
        self._stopping.set()
        if self._thread is not threading.current_thread():
            self._thread.join(wait_s)
        return not self._thread.is_alive()


class LoopThread:
    """One event loop on one named daemon thread, for callers without a loop of their own.

    ``call`` and ``enter`` wait for their result. Inside a running loop they raise ``Conflict``, since waiting there would
    block that loop; after ``close`` they raise ``Closed``.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"recalld-{name}", daemon=True)
        self._contexts: list[tuple[asyncio.Event, Future[None]]] = []
        self._closed = False
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it on the loop and return what it returns. An interrupted wait (Ctrl-C) cancels it."""
        try:
            self._check_outside()
        except (Conflict, Closed):
            coroutine.close()
            raise
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()

    def enter(self, context: AbstractAsyncContextManager[T]) -> T:
        """Enter ``context`` and keep it open until ``close``, entered and left by one and the same task."""
        self._check_outside()
        entered: Future[T] = Future()
        leave = asyncio.Event()

        async def keep_open() -> None:
            try:
                async with context as value:
                    entered.set_result(value)
                    await leave.wait()
            except BaseException as failure:
                if not entered.done():
                    entered.set_exception(failure)
                raise

        finished = asyncio.run_coroutine_threadsafe(keep_open(), self._loop)
        try:
            value = entered.result()
        except BaseException:
            finished.cancel()  # an interrupted wait (Ctrl-C); no effect on what has failed by itself
            raise
        self._contexts.append((leave, finished))
        return value

    def close(self) -> None:
        """Leave what was entered, latest first, then end the loop and its thread. Harmless when called twice."""
        if self._closed:
            return
        self._check_outside()
        self._closed = True
        try:
            while self._contexts:
                leave, finished = self._contexts.pop()
                self._loop.call_soon_threadsafe(leave.set)
                finished.result()
        finally:
            asyncio.run_coroutine_threadsafe(self._loop.shutdown_asyncgens(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _check_outside(self) -> None:
        if asyncio._get_running_loop() is not None:
            raise Conflict(
                "a blocking call inside a running event loop would stop that loop",
                remedy="await the same verb of recalld.app.engine.Engine there",
            )
        if self._closed:
            raise Closed("this store has been closed", remedy="open it again")
