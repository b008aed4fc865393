"""The contract of clocks."""

from __future__ import annotations

import re

import pytest

from recalld.adapters.clock.system import SystemClock
from recalld.ports.clock import Clock
from tests.fakes.clock import MemoryClock

CLOCKS = pytest.mark.parametrize("clock", [SystemClock(), MemoryClock()], ids=["system", "memory"])


@CLOCKS
async def test_time_never_runs_backwards_over_a_sleep(clock: Clock) -> None:
    before = clock.monotonic(), clock.now()
    await clock.sleep(0.001)
    assert clock.monotonic() >= before[0] + 0.001
    assert clock.now() >= before[1]


@CLOCKS
def test_a_stamp_follows_its_form(clock: Clock) -> None:
    assert re.fullmatch(r"\d{8}-\d{6}", clock.stamp("%Y%m%d-%H%M%S"))


@CLOCKS
def test_tokens_are_hex_of_the_requested_length_and_unique(clock: Clock) -> None:
    tokens = {clock.token(8) for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch(r"[0-9a-f]{16}", token) for token in tokens)


def test_the_fake_clock_stands_still_until_advanced() -> None:
    clock = MemoryClock(now=100.0)
    assert clock.now() == clock.now() == 100.0
    clock.advance(5)
    assert clock.now() == 105.0
