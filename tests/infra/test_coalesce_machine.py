"""Coalesced calls under any order of submission, cancellation, answers and failures."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from recalld.domain.errors import Busy
from recalld.infra.coalesce import Coalescer
from tests.virtual import VirtualLoop

POISON = "poison"


class CoalescerMachine(RuleBasedStateMachine):
    """``pending``: tasks that wait, each with its question and how many calls had begun when it came."""

    @initialize(seed=st.integers(0, 1_000))
    def opened(self, seed: int) -> None:
        self.loop = VirtualLoop(seed)
        self.together: Coalescer[tuple[int, str], int] = Coalescer(self._work)
        self.calls = 0
        self.running: asyncio.Future[None] | None = None
        self.count = 0
        self.rests_until = 0.0
        self.pending: dict[asyncio.Task[int], tuple[tuple[int, str], int]] = {}

    async def _work(self, questions: Sequence[tuple[int, str]]) -> list[int]:
        assert self.running is None, "one at a time"
        self.calls += 1
        mine = self.calls
        self.running = asyncio.get_running_loop().create_future()
        try:
            await self.running
        finally:
            self.running = None
        if any(word == POISON for _, word in questions):
            raise ValueError("poison")
        return [mine] * len(questions)

    def turns(self) -> None:
        for _ in range(12):
            self.loop.run_until_complete(asyncio.sleep(0))
        for task in [task for task in self.pending if task.done()]:
            (_, word), before = self.pending.pop(task)
            if task.cancelled():
                continue
            failure = task.exception()
            if failure is None:
                assert task.result() > before, "no answer is older than its question"
            else:
                assert isinstance(failure, Busy) or word == POISON, "nobody hears of another's question"

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        for _ in range(3 * self.count + 3):
            if self.pending or self.running is not None:
                self.call_ends()
        assert not self.pending, "everybody hears"
        self.loop.close()

    @rule(word=st.sampled_from(("a", "b", "b", POISON)), linger_s=st.sampled_from((0.0, 0.0, 5.0)))
    def submit(self, word: str, linger_s: float) -> None:
        self.count += 1
        question = (self.count, word)
        self.rests_until = max(self.rests_until, self.together._resting_until)
        task = self.loop.create_task(self.together.submit(question, linger_s=linger_s))
        self.pending[task] = (question, self.calls)
        self.turns()

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def caller_leaves(self, data: Any) -> None:
        task = list(self.pending)[data.draw(st.integers(0, len(self.pending) - 1))]
        task.cancel()
        self.turns()
        assert task.done()

    @rule()
    def call_ends(self) -> None:
        if self.running is not None:
            self.running.set_result(None)
        elif self.pending:
            self.loop.run_until_complete(asyncio.sleep(6))  # the patient have waited
        self.turns()

    @precondition(lambda self: self.running is not None)
    @rule()
    def call_fails(self) -> None:
        assert self.running is not None
        self.running.set_exception(Busy("full"))
        self.turns()

    @rule(seconds=st.sampled_from((0.1, 1.0, 6.0)))
    def time_passes(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))
        self.turns()

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        if hasattr(self, "loop") and self.running is None and self.pending:
            # Who came before a call was over waits as long as it looked then, even where that call was a short one.
            assert self.rests_until > self.loop.time(), "only patience lets work rest"


TestCoalescer = CoalescerMachine.TestCase
TestCoalescer.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
