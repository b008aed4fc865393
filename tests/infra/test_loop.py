"""Facts about the server's loop: deadlines ring in order, never early, not once they are called off, and cost no memory."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from recalld.infra import loop as module
from recalld.infra.loop import Loop

T = TypeVar("T")


def on_loop(work: Callable[[], Awaitable[T]]) -> T:
    async def main() -> T:
        return await work()

    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(main())


def test_earlier_timers_fire_earlier() -> None:
    async def work() -> list[str]:
        loop, rung = asyncio.get_running_loop(), []
        for name, delay in (("c", 0.03), ("a", 0.01), ("b", 0.02), ("now", 0.0), ("past", -1.0)):
            loop.call_later(delay, rung.append, name)
        await asyncio.sleep(0.06)
        return rung

    assert on_loop(work) == ["past", "now", "a", "b", "c"]


def test_equals_ring_in_the_order_they_were_set() -> None:
    async def work() -> list[int]:
        loop, rung = asyncio.get_running_loop(), []
        at = loop.time() + 0.01
        for number in range(20):
            loop.call_at(at, rung.append, number)
        await asyncio.sleep(0.03)
        return rung

    assert on_loop(work) == list(range(20))


def test_nothing_rings_before_its_time() -> None:
    async def work() -> list[float]:
        loop, early = asyncio.get_running_loop(), []
        for k in range(30):
            at = loop.time() + k * 0.0013
            loop.call_at(at, lambda at=at: early.append(loop.time() - at))
        await asyncio.sleep(0.08)
        return early

    found = on_loop(work)
    assert len(found) == 30
    assert min(found) >= 0


def test_cancelled_timers_do_not_fire() -> None:
    async def work() -> list[str]:
        loop, rung = asyncio.get_running_loop(), []
        first = loop.call_later(0.005, rung.append, "called off")
        second = loop.call_later(0.01, rung.append, "called off by its neighbour")
        loop.call_later(0.01, rung.append, "rung")
        loop.call_later(0.0099, second.cancel)
        first.cancel()
        first.cancel()
        assert first.cancelled()
        assert second.when() > loop.time()
        await asyncio.sleep(0.03)
        return rung

    assert on_loop(work) == ["rung"]


def test_a_deadline_ends_what_is_late() -> None:
    async def work() -> bool:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        async with asyncio.timeout(5):
            await asyncio.sleep(0.001)
        return True

    assert on_loop(work)


def test_one_that_fails_does_not_keep_the_others_from_ringing() -> None:
    async def work() -> tuple[list[str], list[str]]:
        loop, rung, errors = asyncio.get_running_loop(), [], []
        loop.set_exception_handler(lambda _, context: errors.append(str(context["exception"])))

        def fail() -> None:
            raise ValueError("broken")

        loop.call_later(0.001, fail)
        loop.call_later(0.001, rung.append, "well")
        await asyncio.sleep(0.02)
        return rung, errors

    assert on_loop(work) == (["well"], ["broken"])


def test_each_runs_in_the_context_it_was_set_in() -> None:
    who = contextvars.ContextVar("who", default="nobody")

    async def work() -> list[str]:
        loop, found = asyncio.get_running_loop(), []
        who.set("ana")
        loop.call_later(0.001, lambda: found.append(who.get()))
        other = contextvars.copy_context()
        other.run(who.set, "bob")
        loop.call_later(0.001, lambda: found.append(who.get()), context=other)
        await asyncio.sleep(0.02)
        return found

    assert on_loop(work) == ["ana", "bob"]


def test_deadlines_that_were_called_off_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CANCELLED_MAX", 50)

    async def work() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Loop)
        handles = [loop.call_later(1_000, print) for _ in range(10)]
        for _ in range(5_000):
            loop.call_later(1_000, print).cancel()
        assert not any(handle.cancelled() for handle in handles)
        return len(loop._due)

    assert on_loop(work) < 10 + 2 * 60


def test_a_busy_loop_sets_few_alarms(monkeypatch: pytest.MonkeyPatch) -> None:
    set_at: list[float] = []
    honest = Loop._set_timer

    def counted(self: Loop, when: float) -> None:
        set_at.append(when)
        honest(self, when)

    monkeypatch.setattr(Loop, "_set_timer", counted)

    async def work() -> None:
        for _ in range(1_000):
            async with asyncio.timeout(60), asyncio.timeout(30):
                await asyncio.sleep(0)

    on_loop(work)
    assert len(set_at) < 10
