"""Facts about when a provider may be called."""

from __future__ import annotations

from dataclasses import replace

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


def fail(now: float, standing: Standing, epoch: int | None = None) -> Standing:
    return failed(now, standing, POLICY, "500", standing.epoch if epoch is None else epoch)


def succeed(standing: Standing, epoch: int | None = None) -> Standing:
    return succeeded(standing, POLICY, standing.epoch if epoch is None else epoch)


def limit(now: float, standing: Standing, retry_after_s: float) -> Standing:
    return throttled(now, standing, POLICY, retry_after_s, standing.epoch)


def down(now: float = 0.0) -> Standing:
    standing = Standing()
    for _ in range(POLICY.failures_max):
        standing = fail(now, standing)
    return standing


def test_failures_in_a_row_open_the_circuit_and_one_good_call_forgets_them() -> None:
    standing = Standing()
    for _ in range(POLICY.failures_max - 1):
        standing = fail(0, standing)
    assert admit(0, standing, POLICY)[1] == 0
    assert fail(0, succeed(standing)).circuit is Circuit.CLOSED
    assert fail(0, standing).circuit is Circuit.OPEN


def test_an_open_circuit_lets_one_probe_through_when_its_time_is_over() -> None:
    standing, wait = admit(0.2, down(), POLICY)
    assert wait == POLICY.open_s - 0.2
    standing, wait = admit(POLICY.open_s, standing, POLICY)
    assert (standing.circuit, wait) == (Circuit.HALF_OPEN, 0)
    assert admit(POLICY.open_s, standing, POLICY)[1] > 0


def test_calls_that_fail_together_are_one_outage() -> None:
    opened = down()
    later = opened
    for _ in range(20):  # under way when it opened
        later = fail(3.0, later, epoch=0)
    assert later == opened


def test_a_straggler_from_before_an_outage_neither_closes_nor_probes() -> None:
    opened = down()
    assert succeed(opened, epoch=0) == opened
    probing = admit(POLICY.open_s, opened, POLICY)[0]
    assert abandoned(probing, epoch=0) == probing


def test_a_probe_that_succeeds_closes_it_and_more_are_let_in_bit_by_bit() -> None:
    standing, now = down(), POLICY.open_s
    together = []
    while True:
        admitted = 0
        admitted_state, wait = admit(now, standing, POLICY)
        while not wait and admitted < 100:
            standing, admitted = admitted_state, admitted + 1
            admitted_state, wait = admit(now, standing, POLICY)
        together.append(admitted)
        if admitted == 100:
            break
        for _ in range(admitted - 1):
            standing = abandoned(standing, standing.epoch)
        standing = succeed(standing)
        assert standing.circuit is Circuit.CLOSED
    assert together == [1, 2, 4, 8, 100]


def test_it_stays_open_for_a_share_of_the_outage() -> None:
    standing, now, waits = down(), 0.0, []
    while now < 3_000:
        waits.append(round(standing.until - now, 6))
        now = standing.until
        standing = fail(now, admit(now, standing, POLICY)[0])
    assert waits[0] == POLICY.open_s
    assert waits == sorted(waits)
    assert waits[-1] == POLICY.open_max_s
    assert len(waits) < 300


def test_an_outage_of_ten_seconds_is_looked_at_every_second() -> None:
    standing, now = down(), 0.0
    while now < 10:
        now = standing.until + 0.5  # a probe that hangs
        standing = fail(now, admit(standing.until, standing, POLICY)[0])
    assert standing.until - now < 1.0


def test_one_failure_while_it_recovers_is_no_new_outage() -> None:
    standing = succeed(admit(POLICY.open_s, down(), POLICY)[0])
    standing = succeed(admit(POLICY.open_s, standing, POLICY)[0])
    standing = fail(1.0, admit(POLICY.open_s, standing, POLICY)[0])
    assert standing.circuit is Circuit.CLOSED
    assert admit(1.0, standing, POLICY)[1] == 0


def test_a_probe_nobody_waited_for_may_be_made_again() -> None:
    probing = admit(POLICY.open_s, down(), POLICY)[0]
    assert admit(POLICY.open_s, abandoned(probing, probing.epoch), POLICY)[1] == 0


def test_a_refused_key_pauses_the_lane_with_its_reason() -> None:
    standing = paused(0, Standing(), POLICY, "the key was refused", 0)
    assert admit(1, standing, POLICY)[1] == POLICY.pause_s - 1
    probing, wait = admit(POLICY.pause_s, standing, POLICY)
    assert (probing.circuit, probing.reason, wait) == (Circuit.PAUSED, "the key was refused", 0)


def test_a_refused_key_among_answers_is_a_short_pause_and_a_second_one_a_long_one() -> None:
    once = paused(0, succeed(Standing()), POLICY, "403", 0)
    assert admit(0, once, POLICY)[1] == POLICY.pause_first_s
    probing = admit(2, once, POLICY)[0]
    assert admit(2, paused(2, probing, POLICY, "403", probing.epoch), POLICY)[1] == POLICY.pause_s
    assert succeed(probing).circuit is Circuit.CLOSED


def test_a_429_is_waited_for_and_slows_the_pace() -> None:
    standing = limit(0, Standing(), 3.0)
    assert admit(1, standing, POLICY)[1] == 2
    standing, wait = admit(3, standing, POLICY)
    assert wait == 0
    assert admit(3, standing, POLICY)[1] == 1 / POLICY.pace_start
    assert limit(3, standing, 0).pace == POLICY.pace_start  # it only says the same again
    assert limit(3, replace(standing, limited=False, recent=0b111111), 0).pace == POLICY.pace_start / 2


def test_a_429_among_many_answers_holds_nobody_else_up() -> None:
    standing = Standing()
    for _ in range(19):
        standing = succeed(standing)
    standing = limit(0, standing, 30.0)
    assert admit(0, standing, POLICY)[1] == 0
    for _ in range(5):
        standing = limit(0, standing, 30.0)
    assert admit(0, standing, POLICY)[1] == 30.0


def test_a_429_right_after_a_pause_is_a_pause_again_and_a_good_call_ends_that() -> None:
    standing = limit(0, Standing(), 1.0)
    again = limit(1, admit(1, standing, POLICY)[0], 1.0)
    assert admit(1.5, again, POLICY)[1] == 0.5
    well = succeed(admit(1, standing, POLICY)[0])
    assert admit(2, limit(1, well, 1.0), POLICY)[1] == 0


def test_a_429_gives_its_place_back_while_it_recovers() -> None:
    standing = succeed(admit(POLICY.open_s, down(), POLICY)[0])
    for _ in range(3):
        standing = succeed(standing)
    standing = replace(standing, places=2, inside=0)
    standing = limit(1, admit(1, standing, POLICY)[0], 0.0)
    assert standing.inside == 0


def test_429s_that_come_together_are_one_pause() -> None:
    first = limit(0, Standing(), 1.0)
    assert throttled(0.5, first, POLICY, 1.0, epoch=0) == first


def test_good_calls_free_the_pace_again() -> None:
    standing = limit(0, Standing(), 0)
    for _ in range(200):
        standing = succeed(standing)
    assert standing.pace == 0


@given(st.integers(1, 2_000))
def test_retries_stay_a_share_of_the_calls(calls: int) -> None:
    standing, retries = Standing(), 0
    for _ in range(calls):
        standing, _ = admit(0, standing, POLICY)
        standing, may = retry(standing)
        retries += may
    assert retries <= 1 + POLICY.retry_share * calls + 1e-6
