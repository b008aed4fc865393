"""A pool under any order of calls, cancellations and completions: bounded, and every caller gets a result."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from recalld.domain.errors import Busy
from recalld.infra.thread_pool import Pool

RUNNING, WAITING = 2, 3


@dataclass(eq=False)
class Call:
    """One call: begun on a thread, let go by the machine, left by its caller."""

    task: asyncio.Task[Any] | None = None
    begun: bool = False
    let_go: bool = False
    fails: bool = False
    go: threading.Event = field(default_factory=threading.Event)

    def work(self) -> Call:
        self.begun = True
        self.go.wait(10)
        if self.fails:
            raise ValueError("it fails")
        return self


class PoolMachine(RuleBasedStateMachine):
    """``inside``: calls that run or wait, in the order they came."""

    @initialize()
    def opened(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.pool = Pool("machine", running_max=RUNNING, waiting_max=WAITING)
        self.in_flight: list[Call] = []

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        for call in self.in_flight:
            call.go.set()
        self.until(lambda: self.pool.in_flight == 0)
        for call in self.in_flight:
            assert call.task is not None
            self.until(call.task.done)
            assert call.task.cancelled() or bool(call.task.exception()) == call.fails
        self.pool.close()
        assert not [t for t in threading.enumerate() if t.name.startswith("recalld-machine") and t.is_alive()]
        self.loop.close()

    def until(self, true: Callable[[], bool]) -> None:
        end = time.monotonic() + 10
        while not true():
            assert time.monotonic() < end, "it never came to that"
            self.loop.run_until_complete(asyncio.sleep(0))

    def settled(self) -> None:
        """As many run as may, the earliest first."""
        self.until(lambda: all(call.begun for call in self.in_flight[:RUNNING]))

    @rule(fails=st.booleans())
    def call(self, fails: bool) -> None:
        one = Call(fails=fails)
        full = len(self.in_flight) == RUNNING + WAITING
        one.task = self.loop.create_task(self.pool.run(one.work))
        self.loop.run_until_complete(asyncio.sleep(0))
        if full:
            assert isinstance(one.task.exception(), Busy)
            return
        self.in_flight.append(one)
        self.settled()

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def caller_leaves(self, data: Any) -> None:
        at = data.draw(st.integers(0, len(self.in_flight) - 1))
        one = self.in_flight[at]
        assert one.task is not None
        one.task.cancel()
        self.until(one.task.done)
        if not one.begun:
            self.in_flight.remove(one)  # its place is free at once; a call that has begun keeps its own until it ends
        self.settled()

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def call_ends(self, data: Any) -> None:
        one = data.draw(st.sampled_from([call for call in self.in_flight if call.begun]))
        before = self.pool.in_flight
        one.go.set()
        self.until(lambda: self.pool.in_flight == before - 1)
        self.in_flight.remove(one)
        assert one.task is not None
        self.until(one.task.done)
        if not one.task.cancelled():
            assert isinstance(one.task.exception(), ValueError) if one.fails else one.task.result() is one
        self.settled()

    @invariant()
    def bounded(self) -> None:
        if not hasattr(self, "loop"):
            return
        assert self.pool.in_flight == len(self.in_flight)
        assert sum(call.begun for call in self.in_flight) == min(RUNNING, len(self.in_flight))
        assert self.pool.queued == max(0, len(self.in_flight) - RUNNING)


TestPool = PoolMachine.TestCase
TestPool.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
