"""Facts about when a provider may be called."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recalld.rules.breaker import (
    CallPolicy,
    Circuit,
    Standing,
    abandoned,
    admit,
    failed,
    paused,
    retry,
    succeeded,
    throttled,
)

POLICY = CallPolicy()


def down(now: float = 0.0) -> Standing:
    standing = Standing()
    for _ in range(POLICY.failures_max):
        standing = failed(now, standing, POLICY, "500")
    return standing


def test_failures_in_a_row_open_the_circuit_and_one_good_call_forgets_them() -> None:
    standing = Standing()
    for _ in range(POLICY.failures_max - 1):
        standing = failed(0, standing, POLICY, "500")
    assert admit(0, standing, POLICY)[1] == 0
    assert failed(0, succeeded(standing, POLICY), POLICY, "500").circuit is Circuit.CLOSED
    assert failed(0, standing, POLICY, "500").circuit is Circuit.OPEN


def test_an_open_circuit_lets_one_probe_through_when_its_time_is_over() -> None:
    standing, wait = admit(1.0, down(), POLICY)
    assert wait == POLICY.open_s - 1.0
    standing, wait = admit(POLICY.open_s, standing, POLICY)
    assert (standing.circuit, wait) == (Circuit.HALF_OPEN, 0)
    assert admit(POLICY.open_s, standing, POLICY)[1] > 0
    assert succeeded(standing, POLICY).circuit is Circuit.CLOSED


def test_every_failed_probe_doubles_the_wait_up_to_its_limit() -> None:
    standing, now, waits = down(), 0.0, []
    for _ in range(10):
        waits.append(standing.until - now)
        now = standing.until
        standing = failed(now, admit(now, standing, POLICY)[0], POLICY, "500")
    assert waits[:3] == [5, 10, 20]
    assert waits[-1] == POLICY.open_max_s


def test_a_probe_nobody_waited_for_may_be_made_again() -> None:
    probing = admit(POLICY.open_s, down(), POLICY)[0]
    assert admit(POLICY.open_s, abandoned(probing), POLICY)[1] == 0


def test_a_refused_key_pauses_the_lane_with_its_reason() -> None:
    standing = paused(0, Standing(), POLICY, "the key was refused")
    assert admit(1, standing, POLICY)[1] == POLICY.pause_s - 1
    probing, wait = admit(POLICY.pause_s, standing, POLICY)
    assert (probing.circuit, probing.reason, wait) == (Circuit.PAUSED, "the key was refused", 0)


def test_a_429_is_waited_for_and_slows_the_pace() -> None:
    standing = throttled(0, Standing(), POLICY, 3.0)
    assert admit(1, standing, POLICY)[1] == 2
    standing, wait = admit(3, standing, POLICY)
    assert wait == 0
    assert admit(3, standing, POLICY)[1] == 1 / POLICY.pace_start
    assert throttled(3, standing, POLICY, 0).pace == POLICY.pace_start / 2


def test_good_calls_free_the_pace_again() -> None:
    standing = throttled(0, Standing(), POLICY, 0)
    for _ in range(200):
        standing = succeeded(standing, POLICY)
    assert standing.pace == 0


@given(st.integers(1, 2_000))
def test_retries_stay_a_share_of_the_calls(calls: int) -> None:
    standing, retries = Standing(), 0
    for _ in range(calls):
        standing, _ = admit(0, standing, POLICY)
        standing, may = retry(standing)
        retries += may
    assert retries <= 1 + POLICY.retry_share * calls + 1e-6
