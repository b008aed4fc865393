"""An event loop on its own thread, for blocking callers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from recalld.domain.errors import Closed, Conflict
from recalld.infra.thread_pool import LoopThread


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread("test")
    yield thread
    thread.close()


async def _three() -> int:
    return 3


async def _fails() -> int:
    raise ValueError("on purpose")


def test_a_call_returns_what_its_coroutine_returns(loop: LoopThread) -> None:
    assert loop.call(_three()) == 3


def test_a_call_raises_what_its_coroutine_raises(loop: LoopThread) -> None:
    with pytest.raises(ValueError, match="on purpose"):
        loop.call(_fails())
    assert loop.call(_three()) == 3


def test_many_threads_may_call_at_once(loop: LoopThread) -> None:
    meeting = asyncio.Barrier(3)
    results: list[int] = []

    async def meet() -> int:
        return await meeting.wait()

    threads = [threading.Thread(target=lambda: results.append(loop.call(meet()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [0, 1, 2]


async def test_inside_a_running_loop_a_call_is_refused_instead_of_stopping_it(loop: LoopThread) -> None:
    with pytest.raises(Conflict, match="running event loop") as refused:
        loop.call(_three())
    assert "await" in refused.value.remedy


def test_on_its_own_loop_a_call_is_refused(loop: LoopThread) -> None:
    async def again() -> int:
        return loop.call(_three())

    with pytest.raises(Conflict, match="running event loop"):
        loop.call(again())


def test_a_context_is_entered_and_left_by_one_task() -> None:
    thread = LoopThread("test")
    tasks: list[asyncio.Task[None] | None] = []

    @asynccontextmanager
    async def noting() -> AsyncIterator[str]:
        tasks.append(asyncio.current_task())
        yield "value"
        tasks.append(asyncio.current_task())

    assert thread.enter(noting()) == "value"
    assert len(tasks) == 1
    thread.close()
    assert len(tasks) == 2
    assert tasks[0] is tasks[1]


def test_contexts_are_left_latest_first() -> None:
    thread = LoopThread("test")
    left: list[int] = []

    @asynccontextmanager
    async def numbered(number: int) -> AsyncIterator[None]:
        yield
        left.append(number)

    for number in (1, 2, 3):
        thread.enter(numbered(number))
    thread.close()
    assert left == [3, 2, 1]


def test_a_context_that_cannot_be_entered_says_why(loop: LoopThread) -> None:
    @asynccontextmanager
    async def broken() -> AsyncIterator[None]:
        raise ValueError("no such folder")
        yield

    with pytest.raises(ValueError, match="no such folder"):
        loop.enter(broken())


def test_after_closing_a_call_is_refused_and_no_thread_is_left() -> None:
    before = threading.active_count()
    thread = LoopThread("test")
    thread.close()
    thread.close()
    assert threading.active_count() == before
    with pytest.raises(Closed):
        thread.call(_three())
