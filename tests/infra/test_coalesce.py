"""Coalesced calls: few calls, no answer older than its query, no caller left waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from recalld.domain.errors import Busy
from recalld.infra.coalesce import Coalescer


class Worker:
    """Answers one group per release of ``open``: each query with the number of the call. ``fails``: calls that
    raise."""

    def __init__(self, *fails: int) -> None:
        self.calls: list[list[str]] = []
        self.fails = fails
        self.open = asyncio.Semaphore(0)
        self.coalescer: Coalescer[str, str] = Coalescer(self._answer)

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


async def test_submissions_during_a_call_share_the_next_one() -> None:
    worker = Worker()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(worker.coalescer.submit("a"))
        await _turn()
        later = [group.create_task(worker.coalescer.submit(q)) for q in "bcd"]
        await _turn()
        worker.open.release()
        await _turn()
        worker.open.release()
    assert worker.calls == [["a"], ["b", "c", "d"]]
    assert (first.result(), [task.result() for task in later]) == ("a 1", ["b 2", "c 2", "d 2"])


async def test_the_submitter_that_runs_the_call_may_be_cancelled() -> None:
    worker = Worker()
    first = asyncio.ensure_future(worker.coalescer.submit("a"))
    await _turn()
    second, third = (asyncio.ensure_future(worker.coalescer.submit(q)) for q in "bc")
    worker.open.release()
    await first
    await _turn()
    second.cancel()
    await _turn()
    worker.open.release()
    assert await third == "c 2"
    assert second.cancelled()
    assert worker.calls == [["a"], ["b", "c"]]


async def test_the_next_call_starts_after_the_last_one_despite_cancellation() -> None:
    worker = Worker()
    first = asyncio.ensure_future(worker.coalescer.submit("a"))
    await _turn()
    first.cancel()
    await _turn()
    second = asyncio.ensure_future(worker.coalescer.submit("b"))
    await _turn()
    assert worker.calls == [["a"]]
    worker.open.release()
    await _turn()
    assert worker.calls == [["a"], ["b"]]
    worker.open.release()
    assert await second == "b 2"


async def test_results_are_delivered_one_a_loop_iteration_while_the_next_call_runs() -> None:
    worker, iteration, delivered = Worker(), 0, []

    async def submit(question: str) -> None:
        await worker.coalescer.submit(question)
        delivered.append(iteration)

    async with asyncio.TaskGroup() as group:
        for n in range(50):
            group.create_task(submit(str(n)))
        await _turn()
        group.create_task(submit("late"))
        await _turn()
        worker.open.release()
        for iteration in range(60):  # noqa: B007 - read by the callers
            if len(delivered) == 10:
                assert worker.calls[-1] == ["late"]
            await asyncio.sleep(0)
        assert delivered == list(range(delivered[0], delivered[0] + 50))
        worker.open.release()


async def test_an_outage_reaches_all_submitters_after_one_call() -> None:
    class Down(Worker):
        async def _answer(self, questions: Sequence[str]) -> list[str]:
            self.calls.append(list(questions))
            raise Busy("full")

    worker = Down()
    results = await asyncio.gather(*(worker.coalescer.submit(q) for q in "abc"), return_exceptions=True)
    assert [type(each) for each in results] == [Busy] * 3
    assert worker.calls == [["a", "b", "c"]]


async def test_a_question_that_fails_the_call_does_not_fail_the_others() -> None:
    async def answer(questions: Sequence[str]) -> list[str]:
        if "bad" in questions:
            raise ValueError("bad")
        return list(questions)

    together: Coalescer[str, str] = Coalescer(answer)
    queries = ["a", "b", "bad", "c", "d"]
    results = await asyncio.gather(*(together.submit(q) for q in queries), return_exceptions=True)
    assert [q if isinstance(q, str) else type(q) for q in results] == ["a", "b", ValueError, "c", "d"]


async def test_a_cancelled_submission_is_not_in_the_next_call() -> None:
    worker = Worker()
    first = asyncio.ensure_future(worker.coalescer.submit("a"))
    await _turn()
    second, third = (asyncio.ensure_future(worker.coalescer.submit(q)) for q in "bc")
    await _turn()
    second.cancel()
    await _turn()
    worker.open.release()
    worker.open.release()
    assert [await first, await third] == ["a 1", "c 2"]
    assert worker.calls == [["a"], ["c"]]


async def test_lingering_submissions_join_the_next_immediate_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recalld.infra.coalesce.REST_FACTOR", 1_000_000)
    worker = Worker()
    for _ in range(9):
        worker.open.release()
    assert await worker.coalescer.submit("a", linger_s=60.0) == "a 1"  # no call was made before, so it does not linger
    patient = [asyncio.ensure_future(worker.coalescer.submit(q, linger_s=60.0)) for q in "bc"]
    await asyncio.sleep(0.02)
    assert worker.calls == [["a"]]
    assert await worker.coalescer.submit("d") == "d 2"
    assert [await each for each in patient] == ["b 2", "c 2"]
    assert worker.calls == [["a"], ["b", "c", "d"]]


async def test_the_patient_wait_no_longer_than_the_rest_or_their_patience_lasts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = Worker()
    for _ in range(9):
        worker.open.release()
    for number in range(1, 4):
        async with asyncio.timeout(5):
            assert await worker.coalescer.submit("a", linger_s=60.0) == f"a {number}"
    monkeypatch.setattr("recalld.infra.coalesce.REST_FACTOR", 1_000_000)
    assert await worker.coalescer.submit("a") == "a 4"
    async with asyncio.timeout(5):
        assert await worker.coalescer.submit("a", linger_s=0.01) == "a 5"
