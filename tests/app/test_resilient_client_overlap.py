"""The resilient client under overlapping calls, cancellations and every kind of failure, in any order of ready tasks: it
counts correctly, frees every slot and recovers."""

from __future__ import annotations

import asyncio
import random

import pytest

from recalld.app.resilient_client import ResilientClient
from recalld.domain.errors import Busy, Invalid, RecalldError, Upstream
from recalld.rules.breaker import CallPolicy
from tests.virtual import LoopClock, run

DEADLINE_S = 0.5
ENDS = ["ok", "ok", "ok", "server", "network", "auth", "rate", "request", "format", "hang", "odd", "invalid", "late"]
POLICY = CallPolicy()


async def end(how: str, takes_s: float) -> str:
    """A provider's answer of one kind."""
    await asyncio.sleep(takes_s)
    match how:
        case "ok":
            return "done"
        case "hang":
            await asyncio.Event().wait()
        case "late":
            await asyncio.sleep(DEADLINE_S)
        case "odd":
            raise TypeError("nobody foresaw this")
        case "invalid":
            raise Invalid("not to be sent")
    raise Upstream(how, details={"kind": how, "retry_after_s": 0.3})


async def run_calls(seed: int, ends: list[str]) -> ResilientClient:
    """A hundred callers within ten seconds; a fifth of them leave in the middle."""
    drawn, clock = random.Random(seed), LoopClock()
    client = ResilientClient("acme", clock)

    async def caller(at: float, how: str, takes_s: float, leaves_s: float | None) -> None:
        await asyncio.sleep(at)
        retry, waits = drawn.random() < 0.5, drawn.random() < 0.5
        try:
            async with asyncio.timeout(leaves_s):
                await client.call(
                    lambda: end(how, takes_s), deadline_s=DEADLINE_S, retry=retry, typical_s=0.1, waits=waits
                )
        except (RecalldError, TimeoutError):
            pass

    async with asyncio.TaskGroup() as group:
        for _ in range(100):
            leaves_s = drawn.uniform(0, DEADLINE_S) if drawn.random() < 0.2 else None
            group.create_task(caller(drawn.uniform(0, 10), drawn.choice(ends), drawn.uniform(0, 0.3), leaves_s))
    return client


@pytest.mark.parametrize("seed", range(40))
def test_successful_calls_always_close_the_circuit(seed: int) -> None:
    async def main() -> tuple[str, list[bool]]:
        client = await run_calls(seed, ENDS)
        await asyncio.sleep(POLICY.pause_s + 1)
        answers = []
        for _ in range(30):
            try:
                answers.append(
                    await client.call(lambda: end("ok", 0.01), deadline_s=DEADLINE_S, retry=False, waits=True) == "done"
                )
            except Busy:
                answers.append(False)
        return client.state.circuit, answers

    circuit, answers = run(main, seed)
    assert circuit == "closed"
    assert all(answers)


@pytest.mark.parametrize("kind", ["server", "network", "odd", "hang", "format"])
@pytest.mark.parametrize("seed", range(5))
def test_calls_that_fail_together_open_it_for_one_short_time(kind: str, seed: int) -> None:
    async def main() -> float:
        clock = LoopClock()
        client = ResilientClient("acme", clock)
        calls = [client.call(lambda: end(kind, 0.1), deadline_s=DEADLINE_S, retry=False) for _ in range(12)]
        assert all(isinstance(one, Upstream) for one in await asyncio.gather(*calls, return_exceptions=True))
        with pytest.raises(Busy) as refused:
            await client.call(lambda: end("ok", 0.1), deadline_s=DEADLINE_S, retry=False)
        return refused.value.retry_after_s

    assert run(main, seed) <= POLICY.open_s


def test_cancelled_calls_are_not_provider_failures() -> None:
    async def main() -> tuple[str, int]:
        client = ResilientClient("acme", LoopClock())

        async def leaves() -> None:
            async with asyncio.timeout(0.1):
                await client.call(lambda: end("hang", 0), deadline_s=DEADLINE_S, retry=False)

        await asyncio.gather(*(leaves() for _ in range(20)), return_exceptions=True)
        return client.state.circuit, client.state.failures

    assert run(main) == ("closed", 0)


def test_callers_whose_own_deadline_is_the_same_do_tell_of_the_provider() -> None:
    async def main() -> str:
        client = ResilientClient("acme", LoopClock())

        async def patient() -> None:
            async with asyncio.timeout(DEADLINE_S):
                await client.call(lambda: end("hang", 0), deadline_s=DEADLINE_S, retry=False)

        await asyncio.gather(*(patient() for _ in range(POLICY.failures_max)), return_exceptions=True)
        return client.state.circuit

    assert run(main) == "open"


def test_an_unexpected_exception_counts_as_a_provider_failure() -> None:
    async def main() -> None:
        client = ResilientClient("acme", LoopClock())
        with pytest.raises(Upstream, match="acme raised TypeError"):
            await client.call(lambda: end("odd", 0), deadline_s=DEADLINE_S, retry=False)

    run(main)


def test_a_probe_that_ends_with_the_program_gives_its_place_back() -> None:
    async def main() -> str:
        client = ResilientClient("acme", LoopClock())
        for _ in range(POLICY.failures_max):
            with pytest.raises(Upstream):
                await client.call(lambda: end("server", 0), deadline_s=DEADLINE_S, retry=False)
        await asyncio.sleep(POLICY.open_s)
        probe = asyncio.ensure_future(client.call(lambda: end("hang", 0), deadline_s=DEADLINE_S, retry=False))
        await asyncio.sleep(0.01)
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        return await client.call(lambda: end("ok", 0), deadline_s=DEADLINE_S, retry=False)

    assert run(main) == "done"


@pytest.mark.parametrize(("pause_s", "there"), [(0.2, True), (0.45, False)])
def test_a_pause_is_waited_for_if_the_deadline_leaves_time_for_an_answer(pause_s: float, there: bool) -> None:
    async def main() -> tuple[bool, float]:
        client, loop = ResilientClient("acme", LoopClock()), asyncio.get_running_loop()

        async def limited() -> str:
            raise Upstream("429", details={"kind": "rate", "retry_after_s": pause_s})

        with pytest.raises(Upstream):
            await client.call(limited, deadline_s=DEADLINE_S, retry=False)
        begun = loop.time()
        assert client.would_reject(DEADLINE_S, 0.1) is not there
        try:
            await client.call(lambda: end("ok", 0.1), deadline_s=DEADLINE_S, retry=False, typical_s=0.1, waits=True)
        except Busy:
            return False, loop.time() - begun
        return True, loop.time() - begun

    got, took_s = run(main)
    assert got is there
    assert (took_s >= pause_s) if there else (took_s == 0)
