"""Facts about counting what questions cost."""

from __future__ import annotations

import pytest

from recalld.adapters.clock.memory import MemoryClock
from recalld.app.meter import Meter
from recalld.domain.errors import Busy
from recalld.domain.policy import DayPolicy
from recalld.usecases.maintenance.bill import DAY


@pytest.fixture
def clock() -> MemoryClock:
    return MemoryClock()


def test_a_days_calls_and_tokens_are_counted_and_written_down_once(clock: MemoryClock) -> None:
    meter = Meter("acme", "question", DayPolicy(), clock)
    for tokens in (3, 4):
        meter.claim(tokens)
    (cost,) = costs = meter.taken()
    assert (cost.day, cost.provider, cost.operation) == (clock.stamp(DAY), "acme", "question")
    assert (cost.calls, cost.tokens_in, cost.refused) == (2, 7, 0)
    meter.claim(1)
    meter.written(costs)
    (rest,) = meter.taken()
    assert (rest.calls, rest.tokens_in) == (1, 1)
    meter.written((rest,))
    assert meter.taken() == ()


@pytest.mark.parametrize("policy", [DayPolicy(calls_max=2), DayPolicy(tokens_max=10)])
def test_the_budget_holds_for_what_was_written_down_too_and_until_the_next_day(
    clock: MemoryClock, policy: DayPolicy
) -> None:
    meter = Meter("acme", "question", policy, clock)
    meter.claim(5)
    meter.written(meter.taken())
    meter.claim(5)
    with pytest.raises(Busy) as refused:
        meter.claim(5)
    assert refused.value.retry_after_s == pytest.approx(86_400 - clock.now() % 86_400)
    (cost,) = meter.taken()
    assert (cost.calls, cost.refused) == (1, 1)
    meter.written((cost,))
    clock.advance(86_400)
    meter.claim(5)


def test_what_other_processes_spent_counts(clock: MemoryClock) -> None:
    meter = Meter("acme", "question", DayPolicy(calls_max=10), clock)
    meter.know(clock.stamp(DAY), 10, 0)
    assert meter.full
    meter.know("1999-01-01", 0, 0)
    assert meter.full


def test_no_limit_is_no_limit(clock: MemoryClock) -> None:
    meter = Meter("acme", "question", DayPolicy(), clock)
    meter.know(clock.stamp(DAY), 10**9, 10**12)
    meter.claim(10**9)
