"""Facts about asking for all who wait: few calls, no answer older than its question, nobody forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from recalld.domain.errors import Busy
from recalld.infra.coalesce import Coalescer


class Desk:
    """Answers a group for each release of ``open``: each question with the number of the call. ``fails``: which calls raise."""

    def __init__(self, *fails: int) -> None:
        self.calls: list[list[str]] = []
        self.fails = fails
        self.open = asyncio.Semaphore(0)
        self.together: Coalescer[str, str] = Coalescer(self._answer)

    async def _answer(self, questions: Sequence[str]) -> list[str]:
        self.calls.append(list(questions))
        number = len(self.calls)
        await self.open.acquire()
        if number in self.fails:
            raise ValueError(f"call {number}")
        return [f"{question} {number}" for question in questions]


async def _turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_comes_while_a_call_is_under_way_shares_the_next_one() -> None:
    desk = Desk()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(desk.together.submit("a"))
        await _turn()
        later = [group.create_task(desk.together.submit(q)) for q in "bcd"]
        await _turn()
        desk.open.release()
        await _turn()
        desk.open.release()
    assert desk.calls == [["a"], ["b", "c", "d"]]
    assert (first.result(), [task.result() for task in later]) == ("a 1", ["b 2", "c 2", "d 2"])


async def test_who_asks_for_the_others_may_leave() -> None:
    desk = Desk()
    first = asyncio.ensure_future(desk.together.submit("a"))
    await _turn()
    second, third = (asyncio.ensure_future(desk.together.submit(q)) for q in "bc")
    desk.open.release()
    await first
    await _turn()
    second.cancel()
    await _turn()
    desk.open.release()
    assert await third == "c 2"
    assert second.cancelled()
    assert desk.calls == [["a"], ["b", "c"]]


async def test_the_next_call_begins_when_the_last_one_has_ended_whoever_left() -> None:
    desk = Desk()
    first = asyncio.ensure_future(desk.together.submit("a"))
    await _turn()
    first.cancel()
    await _turn()
    second = asyncio.ensure_future(desk.together.submit("b"))
    await _turn()
    assert desk.calls == [["a"]]
    desk.open.release()
    await _turn()
    assert desk.calls == [["a"], ["b"]]
    desk.open.release()
    assert await second == "b 2"


async def test_results_are_delivered_one_a_loop_iteration_while_the_next_call_runs() -> None:
    desk, iteration, delivered = Desk(), 0, []

    async def submit(question: str) -> None:
        await desk.together.submit(question)
        delivered.append(iteration)

    async with asyncio.TaskGroup() as group:
        for n in range(50):
            group.create_task(submit(str(n)))
        await _turn()
        group.create_task(submit("late"))
        await _turn()
        desk.open.release()
        for iteration in range(60):  # noqa: B007 - read by the callers
            if len(delivered) == 10:
                assert desk.calls[-1] == ["late"]
            await asyncio.sleep(0)
        assert delivered == list(range(delivered[0], delivered[0] + 50))
        desk.open.release()


async def test_an_outage_is_heard_of_by_all_after_one_call() -> None:
    class Down(Desk):
        async def _answer(self, questions: Sequence[str]) -> list[str]:
            self.calls.append(list(questions))
            raise Busy("full")

    desk = Down()
    told = await asyncio.gather(*(desk.together.submit(q) for q in "abc"), return_exceptions=True)
    assert [type(each) for each in told] == [Busy] * 3
    assert desk.calls == [["a", "b", "c"]]


async def test_a_question_that_fails_the_call_does_not_fail_the_others() -> None:
    async def answer(questions: Sequence[str]) -> list[str]:
        if "bad" in questions:
            raise ValueError("bad")
        return list(questions)

    together: Coalescer[str, str] = Coalescer(answer)
    asked = ["a", "b", "bad", "c", "d"]
    told = await asyncio.gather(*(together.submit(q) for q in asked), return_exceptions=True)
    assert [q if isinstance(q, str) else type(q) for q in told] == ["a", "b", ValueError, "c", "d"]


async def test_who_left_while_waiting_is_not_asked_for() -> None:
    desk = Desk()
    first = asyncio.ensure_future(desk.together.submit("a"))
    await _turn()
    second, third = (asyncio.ensure_future(desk.together.submit(q)) for q in "bc")
    await _turn()
    second.cancel()
    await _turn()
    desk.open.release()
    desk.open.release()
    assert [await first, await third] == ["a 1", "c 2"]
    assert desk.calls == [["a"], ["c"]]


async def test_the_patient_wait_for_company_and_the_impatient_take_them_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recalld.infra.coalesce.REST_FACTOR", 1_000_000)
    desk = Desk()
    for _ in range(9):
        desk.open.release()
    assert await desk.together.submit("a", linger_s=60.0) == "a 1"  # nothing has been asked for yet
    patient = [asyncio.ensure_future(desk.together.submit(q, linger_s=60.0)) for q in "bc"]
    await asyncio.sleep(0.02)
    assert desk.calls == [["a"]]
    assert await desk.together.submit("d") == "d 2"
    assert [await each for each in patient] == ["b 2", "c 2"]
    assert desk.calls == [["a"], ["b", "c", "d"]]


async def test_the_patient_wait_no_longer_than_the_rest_or_their_patience_lasts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    for _ in range(9):
        desk.open.release()
    for number in range(1, 4):
        async with asyncio.timeout(5):
            assert await desk.together.submit("a", linger_s=60.0) == f"a {number}"
    monkeypatch.setattr("recalld.infra.coalesce.REST_FACTOR", 1_000_000)
    assert await desk.together.submit("a") == "a 4"
    async with asyncio.timeout(5):
        assert await desk.together.submit("a", linger_s=0.01) == "a 5"
