"""The usage meter of a provider."""

from __future__ import annotations

import pytest

from recalld.app.usage import UsageMeter
from recalld.domain.errors import Busy
from recalld.domain.policy import DayPolicy
from recalld.usecases.maintenance.provider_budget import DAY
from tests.fakes.clock import MemoryClock


@pytest.fixture
def clock() -> MemoryClock:
    return MemoryClock()


def test_a_days_calls_and_tokens_are_counted_and_written_down_once(clock: MemoryClock) -> None:
    meter = UsageMeter("acme", "question", DayPolicy(), clock)
    for tokens in (3, 4):
        meter.count(tokens)
    (cost,) = costs = meter.unrecorded()
    assert (cost.day, cost.provider, cost.operation) == (clock.stamp(DAY), "acme", "question")
    assert (cost.calls, cost.tokens_in, cost.refused) == (2, 7, 0)
    meter.count(1)
    meter.mark_recorded(costs)
    (rest,) = meter.unrecorded()
    assert (rest.calls, rest.tokens_in) == (1, 1)
    meter.mark_recorded((rest,))
    assert meter.unrecorded() == ()


@pytest.mark.parametrize("policy", [DayPolicy(calls_max=2), DayPolicy(tokens_max=10)])
def test_the_budget_holds_for_what_was_written_down_too_and_until_the_next_day(
    clock: MemoryClock, policy: DayPolicy
) -> None:
    meter = UsageMeter("acme", "question", policy, clock)
    meter.count(5)
    meter.mark_recorded(meter.unrecorded())
    meter.count(5)
    with pytest.raises(Busy) as refused:
        meter.count(5)
    assert refused.value.retry_after_s == pytest.approx(86_400 - clock.now() % 86_400)
    (cost,) = meter.unrecorded()
    assert (cost.calls, cost.refused) == (1, 1)
    meter.mark_recorded((cost,))
    clock.advance(86_400)
    meter.count(5)


def test_usage_of_other_processes_counts(clock: MemoryClock) -> None:
    meter = UsageMeter("acme", "question", DayPolicy(calls_max=10), clock)
    meter.sync(clock.stamp(DAY), 10, 0)
    assert meter.exhausted
    meter.sync("1999-01-01", 0, 0)
    assert meter.exhausted


def test_no_limit_is_no_limit(clock: MemoryClock) -> None:
    meter = UsageMeter("acme", "question", DayPolicy(), clock)
    meter.sync(clock.stamp(DAY), 10**9, 10**12)
    meter.count(10**9)
