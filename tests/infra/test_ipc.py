"""Calls over a socket pair: results, errors, limits and disconnects."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop

from recalld.domain import errors
from recalld.domain.caller import Caller, Role
from recalld.infra.ipc import Channel, Method

DOUBLE: Method[int] = Method("double", (int,), int)
WHO: Method[Caller] = Method("who", (Caller, tuple[str, ...]), Caller)
FAIL: Method[None] = Method("fail", (str,), type(None))
ECHO: Method[bytes] = Method("echo", (bytes,), bytes)
UNKNOWN: Method[int] = Method("unknown", (), int)

FAILURES: dict[str, errors.RecalldError] = {
    "Invalid": errors.Invalid("bad", remedy="mend", code="INVALID_URI", details={"uri": "x", "keys": ["a", "b"]}),
    "Denied": errors.Denied("no"),
    "NotFound": errors.NotFound("where", details={"type": "file"}),
    "Conflict": errors.Conflict("twice", code="ALREADY_EXISTS"),
    "Busy": errors.Busy("full", retry_after_s=2.5),
    "Upstream": errors.deadline_exceeded("embed", 3.0),
    "Corrupt": errors.Corrupt("rot"),
    "Closed": errors.Closed("shut", remedy="restart"),
}


async def double(number: int) -> int:
    return 2 * number


async def who(caller: Caller, peers: tuple[str, ...]) -> Caller:
    return Caller(caller.account, caller.user, caller.role, peers[0])


async def fail(family: str) -> None:
    raise FAILURES[family]


async def echo(data: bytes) -> bytes:
    return data


SERVED = {DOUBLE: double, WHO: who, FAIL: fail, ECHO: echo}


@asynccontextmanager
async def pair(
    handlers: dict[Method, Callable[..., Awaitable[object]]], **limits: int
) -> AsyncIterator[tuple[Channel, Channel]]:
    """(owner, worker): two ends in one loop; both have ended when the block has."""
    here, there = socket.socketpair()
    owner, worker = Channel(here, handlers=handlers, **limits), Channel(there, **limits)
    async with asyncio.TaskGroup() as group:
        group.create_task(owner.run())
        group.create_task(worker.run())
        yield owner, worker
        worker.close()


async def test_a_call_answers_with_its_result() -> None:
    async with pair(SERVED) as (_, worker):
        assert await worker.call(DOUBLE, 21) == 42


async def test_dataclasses_and_tuples_arrive_as_themselves() -> None:
    async with pair(SERVED) as (_, worker):
        got = await worker.call(WHO, Caller("a", "u", Role.ROOT), ("p", "q"))
    assert got == Caller("a", "u", Role.ROOT, "p")


@pytest.mark.parametrize("family", sorted(FAILURES))
async def test_an_error_is_raised_as_itself_on_the_other_side(family: str) -> None:
    sent = FAILURES[family]
    async with pair(SERVED) as (_, worker):
        with pytest.raises(type(sent)) as caught:
            await worker.call(FAIL, family)
    got = caught.value
    assert (got.message, got.remedy, got.code, got.details) == (sent.message, sent.remedy, sent.code, sent.details)
    assert getattr(got, "retry_after_s", None) == getattr(sent, "retry_after_s", None)


async def test_a_hundred_calls_at_once_keep_their_answers_apart() -> None:
    async with pair(SERVED, calls_max=8) as (_, worker):
        assert await asyncio.gather(*(worker.call(DOUBLE, n) for n in range(100))) == [2 * n for n in range(100)]


async def test_large_frames_pass_beside_small_ones() -> None:
    big = b"x" * 3_000_000
    async with pair(SERVED) as (_, worker):
        got = await asyncio.gather(*(worker.call(ECHO, big if n % 2 else b"s") for n in range(8)))
    assert [len(g) for g in got] == [1, 3_000_000] * 4


async def test_an_oversized_message_is_refused_and_the_link_lives_on() -> None:
    async with pair(SERVED, frame_bytes_max=1_000) as (_, worker):
        with pytest.raises(errors.Invalid, match="larger"):
            await worker.call(ECHO, b"x" * 2_000)
        assert await worker.call(DOUBLE, 1) == 2


async def test_an_unknown_method_is_an_error() -> None:
    async with pair(SERVED) as (_, worker):
        with pytest.raises(errors.Corrupt, match="unknown"):
            await worker.call(UNKNOWN)


async def test_a_bug_in_one_verb_leaves_the_others_alone() -> None:
    async def broken(number: int) -> int:
        return number // 0

    async with pair({**SERVED, Method("broken", (int,), int): broken}) as (_, worker):
        with pytest.raises(errors.Corrupt, match="ZeroDivisionError"):
            await worker.call(Method("broken", (int,), int), 1)
        assert await worker.call(DOUBLE, 1) == 2


async def test_an_argument_of_the_wrong_type_is_an_error() -> None:
    async with pair(SERVED) as (_, worker):
        with pytest.raises(errors.Corrupt):
            await worker.call(DOUBLE, "twenty")


async def test_open_calls_fail_when_the_peer_disconnects() -> None:
    never = asyncio.Event()
    entered = asyncio.Event()

    async def hang(number: int) -> int:
        entered.set()
        await never.wait()
        return number

    async with pair({DOUBLE: hang}) as (owner, worker):
        calls = asyncio.gather(worker.call(DOUBLE, 1), return_exceptions=True)
        await entered.wait()
        owner.close()
        (got,) = await calls
        never.set()
    assert isinstance(got, errors.Closed)


async def test_a_call_on_a_closed_connection_fails() -> None:
    async with pair(SERVED) as (_, worker):
        worker.close()
        with pytest.raises(errors.Closed):
            await worker.call(DOUBLE, 1)


async def test_notices_reach_their_taker_and_others_are_ignored() -> None:
    here, there = socket.socketpair()
    woken = asyncio.Event()
    owner, worker = Channel(here), Channel(there)
    worker.subscribe("wake", woken.set)
    async with asyncio.TaskGroup() as group:
        group.create_task(owner.run())
        group.create_task(worker.run())
        while not woken.is_set():
            await owner.notify("nobody's")
            await owner.notify("wake")
            await asyncio.sleep(0)
        worker.close()
    assert woken.is_set()


async def test_a_stream_out_of_step_ends_the_link_instead_of_eating_memory() -> None:
    here, there = socket.socketpair()
    channel = Channel(here)
    there.sendall(b"\xff\xff\xff\xff garbage")
    async with asyncio.timeout(5):
        await channel.run()
    with pytest.raises(errors.Closed):
        await channel.call(DOUBLE, 1)
    there.close()


async def test_a_peer_that_beats_is_not_silent() -> None:
    here, there = socket.socketpair()
    owner, worker = Channel(here), Channel(there, beat_s=0.01)
    async with asyncio.TaskGroup() as group:
        group.create_task(owner.run())
        group.create_task(worker.run())
        before = owner.idle_s
        while owner.idle_s >= before:
            await asyncio.sleep(0)
        worker.close()


def test_telling_an_end_that_has_just_gone_is_no_failure() -> None:
    async def story() -> None:
        here, there = socket.socketpair()
        there.setblocking(False)
        channel = Channel(here, beat_s=0.001)
        async with asyncio.TaskGroup() as group:
            group.create_task(channel.run())
            await asyncio.get_running_loop().sock_recv(there, 1)  # the first beat: it is connected
            there.close()
            for _ in range(1_000):
                await channel.notify("anything")

    # The servers' loop: it treats writing to what has gone otherwise than asyncio's own.
    uvloop.run(story())
