"""The circuit breaker, retry budget and rate limit."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from recalld.rules.breaker import (
    BreakerState,
    CallPolicy,
    Circuit,
    allow,
    failed,
    paused,
    rate_limited,
    release,
    retry,
    succeeded,
)

POLICY = CallPolicy()


def fail(now: float, state: BreakerState, epoch: int | None = None) -> BreakerState:
    return failed(now, state, POLICY, "500", state.epoch if epoch is None else epoch)


def succeed(state: BreakerState, epoch: int | None = None) -> BreakerState:
    return succeeded(state, POLICY, state.epoch if epoch is None else epoch)


def limit(now: float, state: BreakerState, retry_after_s: float) -> BreakerState:
    return rate_limited(now, state, POLICY, retry_after_s, state.epoch)


def down(now: float = 0.0) -> BreakerState:
    state = BreakerState()
    for _ in range(POLICY.failures_max):
        state = fail(now, state)
    return state


def test_failures_in_a_row_open_the_circuit_and_one_good_call_forgets_them() -> None:
    state = BreakerState()
    for _ in range(POLICY.failures_max - 1):
        state = fail(0, state)
    assert allow(0, state, POLICY)[1] == 0
    assert fail(0, succeed(state)).circuit is Circuit.CLOSED
    assert fail(0, state).circuit is Circuit.OPEN


def test_an_open_circuit_lets_one_probe_through_when_its_time_is_over() -> None:
    state, wait = allow(0.2, down(), POLICY)
    assert wait == POLICY.open_s - 0.2
    state, wait = allow(POLICY.open_s, state, POLICY)
    assert (state.circuit, wait) == (Circuit.HALF_OPEN, 0)
    assert allow(POLICY.open_s, state, POLICY)[1] > 0


def test_calls_that_fail_together_are_one_outage() -> None:
    opened = down()
    later = opened
    for _ in range(20):  # under way when it opened
        later = fail(3.0, later, epoch=0)
    assert later == opened


def test_a_straggler_from_before_an_outage_neither_closes_nor_probes() -> None:
    opened = down()
    assert succeed(opened, epoch=0) == opened
    probing = allow(POLICY.open_s, opened, POLICY)[0]
    assert release(probing, epoch=0) == probing


def test_a_probe_that_succeeds_closes_it_and_more_are_let_in_bit_by_bit() -> None:
    state, now = down(), POLICY.open_s
    together = []
    while True:
        admitted = 0
        admitted_state, wait = allow(now, state, POLICY)
        while not wait and admitted < 100:
            state, admitted = admitted_state, admitted + 1
            admitted_state, wait = allow(now, state, POLICY)
        together.append(admitted)
        if admitted == 100:
            break
        for _ in range(admitted - 1):
            state = release(state, state.epoch)
        state = succeed(state)
        assert state.circuit is Circuit.CLOSED
    assert together == [1, 2, 4, 8, 100]


def test_it_stays_open_for_a_share_of_the_outage() -> None:
    state, now, waits = down(), 0.0, []
    while now < 3_000:
        waits.append(round(state.until - now, 6))
        now = state.until
        state = fail(now, allow(now, state, POLICY)[0])
    assert waits[0] == POLICY.open_s
    assert waits == sorted(waits)
    assert waits[-1] == POLICY.open_max_s
    assert len(waits) < 300


def test_an_outage_of_ten_seconds_is_looked_at_every_second() -> None:
    state, now = down(), 0.0
    while now < 10:
        now = state.until + 0.5  # a probe that hangs
        state = fail(now, allow(state.until, state, POLICY)[0])
    assert state.until - now < 1.0


def test_one_failure_while_it_recovers_is_no_new_outage() -> None:
    state = succeed(allow(POLICY.open_s, down(), POLICY)[0])
    state = succeed(allow(POLICY.open_s, state, POLICY)[0])
    state = fail(1.0, allow(POLICY.open_s, state, POLICY)[0])
    assert state.circuit is Circuit.CLOSED
    assert allow(1.0, state, POLICY)[1] == 0


def test_an_abandoned_probe_may_be_repeated() -> None:
    probing = allow(POLICY.open_s, down(), POLICY)[0]
    assert allow(POLICY.open_s, release(probing, probing.epoch), POLICY)[1] == 0


def test_a_refused_key_pauses_the_lane_with_its_reason() -> None:
    state = paused(0, BreakerState(), POLICY, "the key was refused", 0)
    assert allow(1, state, POLICY)[1] == POLICY.pause_s - 1
    probing, wait = allow(POLICY.pause_s, state, POLICY)
    assert (probing.circuit, probing.reason, wait) == (Circuit.PAUSED, "the key was refused", 0)


def test_a_refused_key_among_answers_is_a_short_pause_and_a_second_one_a_long_one() -> None:
    once = paused(0, succeed(BreakerState()), POLICY, "403", 0)
    assert allow(0, once, POLICY)[1] == POLICY.pause_first_s
    probing = allow(2, once, POLICY)[0]
    assert allow(2, paused(2, probing, POLICY, "403", probing.epoch), POLICY)[1] == POLICY.pause_s
    assert succeed(probing).circuit is Circuit.CLOSED


def test_a_429_is_waited_for_and_slows_the_pace() -> None:
    state = limit(0, BreakerState(), 3.0)
    assert allow(1, state, POLICY)[1] == 2
    state, wait = allow(3, state, POLICY)
    assert wait == 0
    assert allow(3, state, POLICY)[1] == 1 / POLICY.pace_start
    assert limit(3, state, 0).pace == POLICY.pace_start  # it only says the same again
    assert limit(3, replace(state, limited=False, recent=0b111111), 0).pace == POLICY.pace_start / 2


def test_a_single_429_does_not_delay_other_calls() -> None:
    state = BreakerState()
    for _ in range(19):
        state = succeed(state)
    state = limit(0, state, 30.0)
    assert allow(0, state, POLICY)[1] == 0
    for _ in range(5):
        state = limit(0, state, 30.0)
    assert allow(0, state, POLICY)[1] == 30.0


def test_a_429_right_after_a_pause_is_a_pause_again_and_a_good_call_ends_that() -> None:
    state = limit(0, BreakerState(), 1.0)
    again = limit(1, allow(1, state, POLICY)[0], 1.0)
    assert allow(1.5, again, POLICY)[1] == 0.5
    well = succeed(allow(1, state, POLICY)[0])
    assert allow(2, limit(1, well, 1.0), POLICY)[1] == 0


def test_a_429_gives_its_place_back_while_it_recovers() -> None:
    state = succeed(allow(POLICY.open_s, down(), POLICY)[0])
    for _ in range(3):
        state = succeed(state)
    state = replace(state, slots=2, in_flight=0)
    state = limit(1, allow(1, state, POLICY)[0], 0.0)
    assert state.in_flight == 0


def test_429s_that_come_together_are_one_pause() -> None:
    first = limit(0, BreakerState(), 1.0)
    assert rate_limited(0.5, first, POLICY, 1.0, epoch=0) == first


def test_good_calls_free_the_pace_again() -> None:
    state = limit(0, BreakerState(), 0)
    for _ in range(200):
        state = succeed(state)
    assert state.pace == 0


@given(st.integers(1, 2_000))
def test_retries_stay_a_share_of_the_calls(calls: int) -> None:
    state, retries = BreakerState(), 0
    for _ in range(calls):
        state, _ = allow(0, state, POLICY)
        state, may = retry(state)
        retries += may
    assert retries <= 1 + POLICY.retry_share * calls + 1e-6
