"""A breaker under overlapping calls in any order, on a fake clock."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from recalld.rules.breaker import (
    BreakerState,
    CallPolicy,
    Circuit,
    allow,
    failed,
    paused,
    rate_limited,
    release,
    succeeded,
)

POLICY = CallPolicy()
PROBES_MAX = 500


class Breaker(RuleBasedStateMachine):
    """Calls begin and end as they like; ``under_way`` holds the epoch of each."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0
        self.state = BreakerState()
        self.under_way: list[int] = []

    def end(self, at: int) -> int:
        return self.under_way.pop(at % len(self.under_way))

    def take(self, state: BreakerState) -> None:
        """The new standing: no step ends more than one epoch."""
        assert 0 <= state.epoch - self.state.epoch <= 1
        self.state = state

    @rule(seconds=st.floats(0, 100))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def begin(self) -> None:
        admitted_state, wait_s = allow(self.now, self.state, POLICY)
        assert wait_s >= 0
        if wait_s == 0:
            self.under_way.append(admitted_state.epoch)
        self.state = admitted_state

    @precondition(lambda self: self.under_way)
    @rule(at=st.integers(0, 50))
    def succeed(self, at: int) -> None:
        self.take(succeeded(self.state, POLICY, self.end(at)))

    @precondition(lambda self: self.under_way)
    @rule(at=st.integers(0, 50))
    def fail(self, at: int) -> None:
        before, epoch = self.state, self.end(at)
        self.take(failed(self.now, before, POLICY, "500", epoch))
        if epoch != before.epoch:
            assert self.state == before  # it belongs to an outage that is known

    @precondition(lambda self: self.under_way)
    @rule(at=st.integers(0, 50), retry_after_s=st.floats(0, 60))
    def limit(self, at: int, retry_after_s: float) -> None:
        self.take(rate_limited(self.now, self.state, POLICY, retry_after_s, self.end(at)))

    @precondition(lambda self: self.under_way)
    @rule(at=st.integers(0, 50))
    def refuse_key(self, at: int) -> None:
        self.take(paused(self.now, self.state, POLICY, "401", self.end(at)))

    @precondition(lambda self: self.under_way)
    @rule(at=st.integers(0, 50))
    def leave(self, at: int) -> None:
        self.take(release(self.state, self.end(at)))

    @precondition(lambda self: self.under_way)
    @rule()
    def all_fail_together(self) -> None:
        before = self.state.epoch
        while self.under_way:
            self.fail(0)
        assert self.state.epoch <= before + 1

    @invariant()
    def a_place_is_held_by_a_call(self) -> None:
        now = self.state
        assert 0 <= now.in_flight <= self.under_way.count(now.epoch)
        assert now.in_flight <= max(now.slots, 2 * POLICY.slots_max)
        assert (now.circuit is Circuit.CLOSED) or now.slots == 1
        assert now.slots <= POLICY.slots_max

    @invariant()
    def nobody_is_refused_for_longer_than_the_longest_pause(self) -> None:
        assert self.state.until - self.now <= max(POLICY.open_max_s, POLICY.pause_s, 60.0) + 1e-6  # times are floats

    def teardown(self) -> None:
        """It always heals: once all that is under way has ended, good calls alone close it, soon."""
        state, now = self.state, self.now
        for epoch in self.under_way:
            state = release(state, epoch)
        for _ in range(PROBES_MAX):
            state, wait_s = allow(now, state, POLICY)
            now += wait_s
            if wait_s == 0:
                state = succeeded(state, POLICY, state.epoch)
            if state.circuit is Circuit.CLOSED and not state.pace and not state.slots:
                break
        assert (state.circuit, state.pace, state.slots) == (Circuit.CLOSED, 0, 0)
        assert now - self.now <= max(POLICY.open_max_s, POLICY.pause_s, 60.0) + PROBES_MAX / POLICY.pace_least


TestBreaker = Breaker.TestCase
