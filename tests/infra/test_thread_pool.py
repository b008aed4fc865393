"""Pools are bounded, refuse at once, and lose nothing."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest
import structlog

from recalld.domain.errors import Busy, Closed
from recalld.infra.thread_pool import DaemonThread, Pool, PoolState, pools


async def test_a_call_runs_on_a_named_thread_of_the_pool() -> None:
    pool = Pool("disk", running_max=1, waiting_max=0)
    name = await pool.run(lambda: threading.current_thread().name)
    pool.close()
    assert name.startswith("recalld-disk")


async def test_beyond_running_and_waiting_the_next_call_is_refused_at_once() -> None:
    pool = Pool("disk", running_max=1, waiting_max=1, retry_after_s=0.25)
    go = threading.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(pool.run(go.wait))
        group.create_task(pool.run(go.wait))
        while pool.in_flight < 2:
            await asyncio.sleep(0)
        with pytest.raises(Busy) as refused:
            await pool.run(go.wait)
        go.set()
    pool.close()
    assert refused.value.retry_after_s == 0.25
    assert pool.in_flight == 0


async def test_a_caller_that_gives_up_frees_its_waiting_place() -> None:
    pool = Pool("disk", running_max=1, waiting_max=1)
    go = threading.Event()
    running = asyncio.ensure_future(pool.run(go.wait))
    waiting = asyncio.ensure_future(pool.run(go.wait))
    while pool.in_flight < 2:
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert pool.in_flight == 1
    go.set()
    assert await running
    pool.close()


async def test_cancelled_callers_leave_nothing_in_the_queue() -> None:
    pool = Pool("disk", running_max=1, waiting_max=4)
    go, large = threading.Event(), []

    class Argument:
        pass

    running = asyncio.ensure_future(pool.run(go.wait))
    while pool.in_flight < 1:
        await asyncio.sleep(0)
    for _ in range(50):
        argument = Argument()
        large.append(weakref.ref(argument))
        waiting = asyncio.ensure_future(pool.run(id, argument))
        del argument
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        del waiting
    await asyncio.sleep(0)
    gc.collect()
    assert (pool.in_flight, pool.queued) in {(1, 0), (1, 1)}  # the thread may not have taken its own yet
    assert [k for k, ref in enumerate(large) if ref() is not None] == []
    go.set()
    assert await running
    assert await pool.run(int) == 0
    pool.close()


async def test_closing_ends_the_threads_of_a_pool_whose_callers_gave_up() -> None:
    pool = Pool("disk", running_max=2, waiting_max=8)
    go = threading.Event()
    calls = [asyncio.ensure_future(pool.run(go.wait)) for _ in range(6)]
    await asyncio.sleep(0.01)
    for call in calls[2:]:
        call.cancel()
    closing = threading.Thread(target=pool.close)
    closing.start()
    await asyncio.gather(*calls[2:], return_exceptions=True)
    go.set()
    await asyncio.gather(*calls, return_exceptions=True)
    closing.join(5)
    assert not closing.is_alive()


async def test_a_closed_pool_refuses() -> None:
    pool = Pool("disk", running_max=1, waiting_max=1)
    pool.close()
    with pytest.raises(Closed):
        await pool.run(int)


async def test_close_fails_waiting_calls_and_lets_running_ones_end() -> None:
    pool = Pool("disk", running_max=1, waiting_max=1)
    go, entered = threading.Event(), threading.Event()

    def hold() -> str:
        entered.set()
        go.wait()
        return "done"

    running, waiting = asyncio.ensure_future(pool.run(hold)), asyncio.ensure_future(pool.run(int))
    while not entered.is_set():
        await asyncio.sleep(0)
    closing = threading.Thread(target=pool.close)
    closing.start()
    with pytest.raises(Closed):
        await waiting
    go.set()
    assert await running == "done"
    closing.join()
    assert pool.in_flight == 0


async def test_a_freed_place_is_free_before_its_caller_hears_of_it() -> None:
    pool = Pool("disk", running_max=1, waiting_max=0)
    for _ in range(500):
        await pool.run(int)
    pool.close()


async def test_a_pool_has_no_more_threads_than_were_needed_at_once() -> None:
    pool = Pool("disk", running_max=4, waiting_max=8)
    for _ in range(20):
        await pool.run(int)
    alive = [thread for thread in threading.enumerate() if thread.name.startswith("recalld-disk_")]
    pool.close()
    assert len(alive) == 1


async def test_a_call_that_ends_in_stop_iteration_ends() -> None:
    pool = Pool("disk", running_max=1, waiting_max=0)
    with pytest.raises(RuntimeError, match="StopIteration"):
        await pool.run(next, iter(()))
    pool.close()


async def test_exceptions_of_the_call_propagate_and_free_the_slot() -> None:
    pool = Pool("disk", running_max=1, waiting_max=0)
    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 // 0)
    assert await pool.run(int) == 0
    pool.close()


async def test_log_lines_of_a_call_name_the_request_it_works_for() -> None:
    pool = Pool("disk", running_max=1, waiting_max=0)
    with structlog.contextvars.bound_contextvars(request_id="r7"):
        bound = await pool.run(structlog.contextvars.get_contextvars)
    pool.close()
    assert bound["request_id"] == "r7"


def test_a_daemon_thread_ends_when_stopped() -> None:
    ended = threading.Event()

    def duty(stopping: threading.Event) -> None:
        stopping.wait()
        ended.set()

    thread = DaemonThread("x", duty)
    thread.stop()
    thread.stop()
    assert ended.is_set()


async def test_how_full_pools_are_can_be_seen_from_outside() -> None:
    pool, twin = Pool("seen", running_max=1, waiting_max=5), Pool("seen", running_max=2, waiting_max=5)
    go = threading.Event()
    calls = [asyncio.ensure_future(pool.run(go.wait, 10)) for _ in range(3)]
    await asyncio.sleep(0)
    assert PoolState("seen", 1, 2, 3, 10) in pools()
    go.set()
    await asyncio.gather(*calls)
    pool.close()
    assert PoolState("seen", 0, 0, 2, 5) in pools()
    twin.close()
    assert "seen" not in {state.name for state in pools()}
