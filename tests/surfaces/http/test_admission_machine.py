"""Admission under every order in which callers come, give up, leave early and leave: nothing is lost, nobody holds too much."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from recalld.domain.errors import Busy
from recalld.surfaces.http.admission import Gate, Limits, Place

LIMITS = Limits(running_max=3, waiting_max=4, caller_running_max=2, caller_waiting_max=2)
CALLERS = st.sampled_from(["ana", "ben", "cat"])


class Request:
    """One request at the gate: waits, is inside, or has ended."""

    def __init__(self, gate: Gate, caller: str, loop: asyncio.AbstractEventLoop) -> None:
        self.caller = caller
        self.place: Place | None = None
        self.inside = False
        self.refused = False
        self._leave = asyncio.Event()
        self._gate = gate
        self.task = loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            async with self._gate.entered(self.caller) as self.place:
                self.inside = True
                try:
                    await self._leave.wait()
                finally:
                    self.inside = False
        except Busy:
            self.refused = True

    def leave(self) -> None:
        self._leave.set()

    def leave_early(self) -> None:
        assert self.place is not None
        self.place.leave()
        self.inside = False

    @property
    def waits(self) -> bool:
        return not self.task.done() and self.place is None


class AdmissionMachine(RuleBasedStateMachine):
    """Steps of the loop are rules too, so that what callers do meets in every order."""

    requests: Bundle[Any] = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.gate = Gate("recall", LIMITS)
        self.all: list[Request] = []

    def turn(self, count: int = 1) -> None:
        """So many turns of the loop, no more: what is due in the next one meets what callers do before."""
        for _ in range(count):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    @rule(target=requests, callers=st.lists(CALLERS, min_size=1, max_size=4))
    def come(self, callers: list[str]) -> Any:
        came = [Request(self.gate, caller, self.loop) for caller in callers]
        self.all += came
        return multiple(*came)

    @rule(request=requests)
    def give_up(self, request: Request) -> None:
        request.task.cancel()

    @rule(request=consumes(requests))
    def leave(self, request: Request) -> None:
        request.leave()

    @rule(leaver=consumes(requests))
    def all_give_up_as_a_place_is_handed_over(self, leaver: Request) -> None:
        leaver.leave()
        self.turn()
        for one in self.all:
            if one.waits:
                one.task.cancel()

    @rule(request=requests)
    def stop_working_and_wait(self, request: Request) -> None:
        if request.inside:
            request.leave_early()

    @rule(count=st.integers(1, 4))
    def let_the_loop_turn(self, count: int) -> None:
        self.turn(count)

    @invariant()
    def no_limit_is_passed(self) -> None:
        inside = [one for one in self.all if one.inside]
        assert self.gate.crowd.running <= LIMITS.running_max
        assert max(Counter(one.caller for one in inside).values(), default=0) <= LIMITS.caller_running_max
        assert 0 <= self.gate.crowd.waiting <= LIMITS.waiting_max

    @rule()
    def when_all_is_quiet_the_books_are_right(self) -> None:
        self.turn(12)
        inside = Counter(one.caller for one in self.all if one.inside)
        waiting = Counter(one.caller for one in self.all if one.waits)
        assert self.gate.crowd.running == inside.total()
        # Those who gave up or left are counted nowhere.
        assert self.gate.crowd.waiting == waiting.total()
        assert max(waiting.values(), default=0) <= LIMITS.caller_waiting_max
        if inside.total() < LIMITS.running_max:
            for caller in waiting:
                assert inside[caller] == LIMITS.caller_running_max, f"{caller} waits beside a free place"

    def teardown(self) -> None:
        try:
            for request in self.all:
                request.leave()
            self.turn(8 * len(self.all) + 8)
            assert all(one.task.done() for one in self.all)
            assert self.gate.crowd[:2] == (0, 0)
            for one in self.all:
                assert one.refused or one.task.cancelled() or one.task.exception() is None
        finally:
            self.loop.close()


AdmissionMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestAdmission = AdmissionMachine.TestCase


async def test_a_caller_with_many_requests_passes_the_place_on_to_the_others_one() -> None:
    gate = Gate("recall", Limits(1, 100, 1, 100))
    order: list[str] = []

    async def visit(caller: str) -> None:
        async with gate.entered(caller):
            order.append(caller)
            await asyncio.sleep(0)

    many = [asyncio.ensure_future(visit("ana")) for _ in range(50)]
    await asyncio.sleep(0)
    await asyncio.gather(visit("ben"), visit("cat"), *many)
    assert max(order.index("ben"), order.index("cat")) <= 4
