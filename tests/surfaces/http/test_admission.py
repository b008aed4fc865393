"""Facts about who may come in."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from recalld.domain.errors import Busy
from recalld.surfaces.http.admission import Gate, Limits


class Crowd:
    """People at one gate; each stays until let go."""

    def __init__(self, limits: Limits) -> None:
        self.gate = Gate("recall", limits)
        self.order: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.exits: dict[str, asyncio.Event] = {}

    async def come(self, name: str, caller: str) -> None:
        self.exits[name] = asyncio.Event()
        self.tasks[name] = asyncio.ensure_future(self._stay(name, caller))
        await self.settle()

    async def _stay(self, name: str, caller: str) -> None:
        async with self.gate.entered(caller):
            self.order.append(name)
            await self.exits[name].wait()

    async def go(self, name: str) -> None:
        self.exits[name].set()
        await self.tasks.pop(name)
        await self.settle()

    async def give_up(self, name: str) -> None:
        self.tasks[name].cancel()
        await asyncio.gather(self.tasks.pop(name), return_exceptions=True)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0)


async def crowd(*arrivals: str, running: int = 1, waiting: int = 10, caller: int = 10, queue: int = 10) -> Crowd:
    """``ana1`` is a request of ana."""
    made = Crowd(Limits(running, waiting, caller, queue))
    for name in arrivals:
        await made.come(name, name[:3])
    return made


async def test_so_many_run_and_the_others_wait() -> None:
    there = await crowd("ana1", "ana2", "ana3", running=2)
    assert there.order == ["ana1", "ana2"]
    assert there.gate.crowd[:2] == (2, 1)
    await there.go("ana1")
    assert there.order[-1] == "ana3"


async def test_callers_take_turns() -> None:
    there = await crowd("ana1", "ana2", "ana3", "ben1")
    await there.go("ana1")
    await there.go("ana2")
    assert there.order == ["ana1", "ana2", "ben1"]


async def test_beyond_the_limit_one_is_sent_away_at_once() -> None:
    there = await crowd("ana1", "ben1", waiting=1)
    with pytest.raises(Busy) as refused:
        async with there.gate.entered("cat"):
            pass
    assert (refused.value.code, refused.value.retry_after_s > 0) == ("UNAVAILABLE", True)
    assert there.gate.crowd.refused == 1


async def test_one_caller_cannot_fill_the_server() -> None:
    there = await crowd("ana1", "ana2", queue=1)
    with pytest.raises(Busy) as refused:
        async with there.gate.entered("ana"):
            pass
    assert refused.value.code == "RESOURCE_EXHAUSTED"
    await there.come("ben1", "ben")
    await there.go("ana1")
    await there.go("ana2")
    assert there.order[-1] == "ben1"


async def test_who_gives_up_waiting_leaves_no_trace() -> None:
    there = await crowd("ana1", "ben1", "cat1")
    await there.give_up("ben1")
    assert there.gate.crowd[:2] == (1, 1)
    await there.go("ana1")
    assert there.order == ["ana1", "cat1"]
    await there.go("cat1")
    assert there.gate.crowd[:2] == (0, 0)


class Fickle(Gate):
    """The next one goes away in the very moment a place is handed over."""

    leaving: asyncio.Task[None] | None = None

    def _leave(self, caller: str) -> None:
        super()._leave(caller)
        if self.leaving is not None:
            leaving, self.leaving = self.leaving, None
            leaving.cancel()


async def test_a_place_handed_to_one_who_goes_away_goes_on_to_the_next() -> None:
    there = Crowd(Limits(1, 10, 10, 10))
    there.gate = gate = Fickle("recall", Limits(1, 10, 10, 10))
    for name in ("ana1", "ben1", "cat1"):
        await there.come(name, name[:3])
    gate.leaving = there.tasks.pop("ben1")
    await there.go("ana1")
    assert there.order == ["ana1", "cat1"]
    await there.go("cat1")
    assert gate.crowd[:2] == (0, 0)


async def test_after_any_crowd_the_house_is_empty() -> None:
    gate = Gate("recall", Limits(3, 50, 50, 50))

    async def visit(caller: str, steps: int) -> None:
        async with gate.entered(caller):
            for _ in range(steps):
                await asyncio.sleep(0)

    visits: list[Coroutine[Any, Any, None]] = [visit("abc"[n % 3], n % 5) for n in range(40)]
    tasks = [asyncio.ensure_future(v) for v in visits]
    await asyncio.sleep(0)
    for task in tasks[::7]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert gate.crowd[:2] == (0, 0)
