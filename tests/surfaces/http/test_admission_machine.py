"""Admission under every order of arrivals, cancellations, early and late releases: no slot is lost, no caller exceeds its share."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from recalld.domain.errors import Busy
from recalld.surfaces.http.admission import ConcurrencyLimiter, Limits, Slot
from tests.surfaces.http.slots import held

LIMITS = Limits(running_max=3, waiting_max=4, caller_running_max=2, caller_waiting_max=2)
CALLERS = st.sampled_from(["ana", "ben", "cat"])


class Request:
    """One request at the gate: waits, is inside, or has ended."""

    def __init__(self, limiter: ConcurrencyLimiter, caller: str, loop: asyncio.AbstractEventLoop) -> None:
        self.caller = caller
        self.slot: Slot | None = None
        self.inside = False
        self.refused = False
        self._leave = asyncio.Event()
        self._limiter = limiter
        self.task = loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            async with held(self._limiter.acquire(self.caller)) as self.slot:
                self.inside = True
                try:
                    await self._leave.wait()
                finally:
                    self.inside = False
        except Busy:
            self.refused = True

    def leave(self) -> None:
        self._leave.set()

    def release_early(self) -> None:
        assert self.slot is not None
        self.slot.release()
        self.inside = False

    @property
    def waits(self) -> bool:
        return not self.task.done() and self.slot is None


class AdmissionMachine(RuleBasedStateMachine):
    """Steps of the loop are rules too, so that what callers do meets in every order."""

    requests: Bundle[Any] = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.limiter = ConcurrencyLimiter("recall", LIMITS)
        self.all: list[Request] = []

    def turn(self, count: int = 1) -> None:
        """So many turns of the loop, no more: what is due in the next one meets what callers do before."""
        for _ in range(count):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    @rule(target=requests, callers=st.lists(CALLERS, min_size=1, max_size=4))
    def come(self, callers: list[str]) -> Any:
        came = [Request(self.limiter, caller, self.loop) for caller in callers]
        self.all += came
        return multiple(*came)

    @rule(request=requests)
    def give_up(self, request: Request) -> None:
        request.task.cancel()

    @rule(request=consumes(requests))
    def leave(self, request: Request) -> None:
        request.leave()

    @rule(leaver=consumes(requests))
    def all_are_cancelled_as_a_slot_is_handed_over(self, leaver: Request) -> None:
        leaver.leave()
        self.turn()
        for one in self.all:
            if one.waits:
                one.task.cancel()

    @rule(request=requests)
    def stop_working_and_wait(self, request: Request) -> None:
        if request.inside:
            request.release_early()

    @rule(count=st.integers(1, 4))
    def let_the_loop_turn(self, count: int) -> None:
        self.turn(count)

    @invariant()
    def no_limit_is_passed(self) -> None:
        inside = [one for one in self.all if one.inside]
        assert self.limiter.load.running <= LIMITS.running_max
        assert max(Counter(one.caller for one in inside).values(), default=0) <= LIMITS.caller_running_max
        assert 0 <= self.limiter.load.waiting <= LIMITS.waiting_max

    @rule()
    def when_all_is_quiet_the_books_are_right(self) -> None:
        self.turn(12)
        inside = Counter(one.caller for one in self.all if one.inside)
        waiting = Counter(one.caller for one in self.all if one.waits)
        assert self.limiter.load.running == inside.total()
        # Those who gave up or left are counted nowhere.
        assert self.limiter.load.waiting == waiting.total()
        assert max(waiting.values(), default=0) <= LIMITS.caller_waiting_max
        if inside.total() < LIMITS.running_max:
            for caller in waiting:
                assert inside[caller] == LIMITS.caller_running_max, f"{caller} waits although a slot is free"

    def teardown(self) -> None:
        try:
            for request in self.all:
                request.leave()
            self.turn(8 * len(self.all) + 8)
            assert all(one.task.done() for one in self.all)
            assert self.limiter.load[:2] == (0, 0)
            for one in self.all:
                assert one.refused or one.task.cancelled() or one.task.exception() is None
        finally:
            self.loop.close()


AdmissionMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestAdmission = AdmissionMachine.TestCase


async def test_a_caller_with_many_requests_passes_the_place_on_to_the_others_one() -> None:
    limiter = ConcurrencyLimiter("recall", Limits(1, 100, 1, 100))
    order: list[str] = []

    async def request(caller: str) -> None:
        async with held(limiter.acquire(caller)):
            order.append(caller)
            await asyncio.sleep(0)

    many = [asyncio.ensure_future(request("ana")) for _ in range(50)]
    await asyncio.sleep(0)
    await asyncio.gather(request("ben"), request("cat"), *many)
    assert max(order.index("ben"), order.index("cat")) <= 4
