"""Admission control."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from recalld.domain.errors import Busy
from recalld.surfaces.http.admission import ConcurrencyLimiter, Limits
from tests.surfaces.http.slots import held


class Callers:
    """Requests at one limiter; each runs until it is finished."""

    def __init__(self, limits: Limits) -> None:
        self.limiter = ConcurrencyLimiter("recall", limits)
        self.order: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.exits: dict[str, asyncio.Event] = {}

    async def arrive(self, name: str, caller: str) -> None:
        self.exits[name] = asyncio.Event()
        self.tasks[name] = asyncio.ensure_future(self._stay(name, caller))
        await self.settle()

    async def _stay(self, name: str, caller: str) -> None:
        async with held(self.limiter.acquire(caller)):
            self.order.append(name)
            await self.exits[name].wait()

    async def finish(self, name: str) -> None:
        self.exits[name].set()
        await self.tasks.pop(name)
        await self.settle()

    async def cancel(self, name: str) -> None:
        self.tasks[name].cancel()
        await asyncio.gather(self.tasks.pop(name), return_exceptions=True)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0)


async def callers_at(*arrivals: str, running: int = 1, waiting: int = 10, caller: int = 10, queue: int = 10) -> Callers:
    """``ana1`` is a request of ana."""
    callers = Callers(Limits(running, waiting, caller, queue))
    for name in arrivals:
        await callers.arrive(name, name[:3])
    return callers


async def test_so_many_run_and_the_others_wait() -> None:
    there = await callers_at("ana1", "ana2", "ana3", running=2)
    assert there.order == ["ana1", "ana2"]
    assert there.limiter.load[:2] == (2, 1)
    await there.finish("ana1")
    assert there.order[-1] == "ana3"


async def test_callers_take_turns() -> None:
    there = await callers_at("ana1", "ana2", "ana3", "ben1")
    await there.finish("ana1")
    await there.finish("ana2")
    assert there.order == ["ana1", "ana2", "ben1"]


async def test_beyond_the_limit_one_is_sent_away_at_once() -> None:
    there = await callers_at("ana1", "ben1", waiting=1)
    with pytest.raises(Busy) as refused:
        async with held(there.limiter.acquire("cat")):
            pass
    assert (refused.value.code, refused.value.retry_after_s > 0) == ("UNAVAILABLE", True)
    assert there.limiter.load.rejected == 1


async def test_one_caller_cannot_fill_the_server() -> None:
    there = await callers_at("ana1", "ana2", queue=1)
    with pytest.raises(Busy) as refused:
        async with held(there.limiter.acquire("ana")):
            pass
    assert refused.value.code == "RESOURCE_EXHAUSTED"
    await there.arrive("ben1", "ben")
    await there.finish("ana1")
    await there.finish("ana2")
    assert there.order[-1] == "ben1"


async def test_a_cancelled_waiter_leaves_no_trace() -> None:
    there = await callers_at("ana1", "ben1", "cat1")
    await there.cancel("ben1")
    assert there.limiter.load[:2] == (1, 1)
    await there.finish("ana1")
    assert there.order == ["ana1", "cat1"]
    await there.finish("cat1")
    assert there.limiter.load[:2] == (0, 0)


class LeavingAtHandOver(ConcurrencyLimiter):
    """The next request is cancelled in the moment a slot is handed over."""

    leaving: asyncio.Task[None] | None = None

    def _release(self, caller: str) -> None:
        super()._release(caller)
        if self.leaving is not None:
            leaving, self.leaving = self.leaving, None
            leaving.cancel()


async def test_a_slot_handed_to_a_cancelled_request_goes_to_the_next() -> None:
    there = Callers(Limits(1, 10, 10, 10))
    there.limiter = limiter = LeavingAtHandOver("recall", Limits(1, 10, 10, 10))
    for name in ("ana1", "ben1", "cat1"):
        await there.arrive(name, name[:3])
    limiter.leaving = there.tasks.pop("ben1")
    await there.finish("ana1")
    assert there.order == ["ana1", "cat1"]
    await there.finish("cat1")
    assert limiter.load[:2] == (0, 0)


async def test_after_any_load_all_slots_are_free() -> None:
    limiter = ConcurrencyLimiter("recall", Limits(3, 50, 50, 50))

    async def request(caller: str, steps: int) -> None:
        async with held(limiter.acquire(caller)):
            for _ in range(steps):
                await asyncio.sleep(0)

    requests: list[Coroutine[Any, Any, None]] = [request("abc"[n % 3], n % 5) for n in range(40)]
    tasks = [asyncio.ensure_future(v) for v in requests]
    await asyncio.sleep(0)
    for task in tasks[::7]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert limiter.load[:2] == (0, 0)
