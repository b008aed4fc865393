"""The optimistic retry."""

from __future__ import annotations

import asyncio

import pytest

from recalld.domain.errors import Busy, Conflict
from recalld.ports.turns import Turns
from recalld.usecases.retrying import key_of, retrying
from tests.harness import Harness


async def test_a_conflict_is_retried(harness: Harness) -> None:
    tries = 0

    async def attempt() -> int:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise Conflict("changed", code="ABORTED")
        return tries

    assert await retrying(attempt, "a", ports=harness.ports) == 4


async def test_another_conflict_is_not_tried_again(harness: Harness) -> None:
    async def attempt() -> None:
        raise Conflict("there already", code="ALREADY_EXISTS")

    with pytest.raises(Conflict, match="there already"):
        await retrying(attempt, "a", ports=harness.ports)


async def test_endless_conflicts_end_as_a_retryable_conflict(harness: Harness) -> None:
    async def attempt() -> None:
        harness.clock.advance(7.0)
        raise Conflict("changed", code="ABORTED")

    with pytest.raises(Conflict) as refused:
        await retrying(attempt, "a", ports=harness.ports)
    assert (refused.value.code, refused.value.details["retryable"]) == ("CONFLICT", True)


def test_a_thing_s_key_is_its_account_s() -> None:
    assert key_of("a", "b/c") != key_of("a/b", "c")


async def test_turns_come_in_the_order_of_asking() -> None:
    turns, order = Turns(), []

    async def one(i: int) -> None:
        async with turns.of("a", within_s=5.0):
            await asyncio.sleep(0)
            order.append(i)

    await asyncio.gather(*(one(i) for i in range(8)))
    assert order == list(range(8))


async def test_callers_of_several_keys_never_wait_for_each_other_in_a_circle() -> None:
    turns = Turns()

    async def one(*keys: str) -> None:
        async with turns.of(*keys, within_s=5.0):
            await asyncio.sleep(0)

    await asyncio.gather(*(one(*keys) for keys in (("a", "b"), ("b", "a"), ("b", "c", "a"), ("a", "a")) * 5))


async def test_a_turn_that_does_not_come_is_busy_and_is_given_up() -> None:
    turns = Turns()
    async with turns.of("a", within_s=1.0):
        with pytest.raises(Busy):
            async with turns.of("a", within_s=0.0):
                raise AssertionError("two at once")
    async with turns.of("a", within_s=1.0):
        pass


async def test_cancelled_waiters_leave_no_state() -> None:
    turns = Turns()
    async with turns.of("a", "b", within_s=1.0):
        waiting = asyncio.create_task(turns.of("a", within_s=60.0).__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert turns.idle
