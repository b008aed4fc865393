"""How many searches go without a query vector during outages of a provider: the real client, on a virtual clock.

Twenty searches a second, an embedder that takes 200 ms, half a second for each search.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from recalld.adapters.embedder.hash import HashEmbedder, HashSettings
from recalld.app.resilient_client import ResilientClient, ResilientEmbedder
from recalld.app.usage import UsageMeter
from recalld.domain.errors import Busy, Upstream
from recalld.domain.policy import DayPolicy
from tests.virtual import LoopClock, run

RATE, TAKES_S, DEADLINE_S = 20, 0.2, 0.5
Mood = Callable[[float], str]


class Moody(HashEmbedder):
    """Does what ``mood`` says of the moment: ok, hang, an error kind, or 429. ``called``: when it was asked."""

    def __init__(self, mood: Mood) -> None:
        super().__init__(HashSettings())
        self._mood = mood
        self.called: list[float] = []

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        now = asyncio.get_running_loop().time()
        self.called.append(now)
        match self._mood(now):
            case "ok":
                await asyncio.sleep(TAKES_S)
            case "hang":
                await asyncio.Event().wait()
            case "429":
                await asyncio.sleep(TAKES_S / 4)
                raise Upstream("429", details={"kind": "rate", "status": 429, "retry_after_s": 1.0})
            case kind:
                await asyncio.sleep(TAKES_S / 4)
                raise Upstream(kind, details={"kind": kind})
        return await super().embed(texts, query=query)


@dataclass
class Seen:
    """When each question was asked, and whether it got its vector; what the embedder was asked, and how long it all took."""

    queries: list[tuple[float, bool]] = field(default_factory=list)
    called: list[float] = field(default_factory=list)
    longest_s: float = 0.0
    circuit: str = ""

    def without(self, begin: float, end: float) -> float:
        """The share of questions asked from ``begin`` to ``end`` that got none."""
        there = [well for at, well in self.queries if begin <= at < end]
        return 1 - sum(there) / len(there)

    def calls(self, begin: float, end: float) -> int:
        return sum(begin <= at < end for at in self.called)


def steady(mood: Mood, seconds: float, *, rate: float = RATE) -> Seen:
    """Ask for ``seconds`` at a steady rate."""

    async def main() -> Seen:
        inner, clock, seen = Moody(mood), LoopClock(), Seen()
        client = ResilientClient("moody", clock)
        meter = UsageMeter("moody", "question", DayPolicy(), clock)
        embedder = ResilientEmbedder(inner, client, meter, clock, deadline_s=DEADLINE_S, bulk_deadline_s=60.0)

        async def ask(number: int) -> None:
            begun = clock.monotonic()
            try:
                async with asyncio.timeout(DEADLINE_S):
                    await embedder.embed([f"question {number}"], query=True)
                seen.queries.append((begun, True))
            except (Busy, Upstream, TimeoutError):
                seen.queries.append((begun, False))
            seen.longest_s = max(seen.longest_s, clock.monotonic() - begun)

        async with asyncio.TaskGroup() as group:
            for number in range(int(seconds * rate)):
                group.create_task(ask(number))
                await asyncio.sleep(1 / rate)
        seen.called, seen.circuit = inner.called, client.state.circuit
        return seen

    return run(main)


def outage(kind: str, begin: float, end: float) -> Mood:
    return lambda now: kind if begin <= now < end else "ok"


@pytest.mark.parametrize("seed", range(3))
def test_five_429s_in_a_hundred_cost_little_more_than_those_five(seed: int) -> None:
    drawn = random.Random(seed)
    seen = steady(lambda now: "429" if drawn.random() < 0.05 else "ok", 60)
    assert seen.without(0, 60) <= 0.10
    assert len(seen.called) <= 1.05 * 60 * RATE


@pytest.mark.parametrize("kind", ["hang", "server", "network", "timeout", "format"])
@pytest.mark.parametrize("length_s", [3, 20])
def test_two_seconds_after_an_outage_questions_have_vectors(kind: str, length_s: int) -> None:
    back = 5 + length_s
    seen = steady(outage(kind, 5, back), back + 38)
    assert seen.without(0, 4) == 0
    assert seen.without(back + 2, back + 38) <= 0.05
    assert seen.longest_s <= DEADLINE_S + 0.01
    assert seen.circuit == "closed"


@pytest.mark.parametrize("kind", ["hang", "server", "network"])
def test_an_outage_is_probed_gently(kind: str) -> None:
    seen = steady(outage(kind, 5, 305), 310)
    assert seen.calls(6, 15) <= 2.5 * 9  # of 180 questions
    assert seen.calls(60, 305) <= 60
    probes = [at for at in seen.called if 60 <= at < 305]
    assert all(b - a > 0.04 for a, b in zip(probes, probes[1:], strict=False))


def test_a_recovering_provider_gets_few_calls_at_first() -> None:
    seen = steady(outage("hang", 5, 15), 20)
    first = next(at for at in seen.called if at >= 15)
    assert seen.calls(first, first + TAKES_S / 2) == 1


def test_nothing_but_429s_is_one_call_a_pause() -> None:
    seen = steady(outage("429", 5, 65), 75)
    assert seen.calls(7, 65) <= 2 * 58  # not twenty a second, and no sooner than it asked for
    assert seen.without(67, 75) <= 0.05


def test_a_provider_that_allows_half_of_what_is_wanted_gives_most_of_that() -> None:
    allowance = {"second": -1, "left": 0}

    def mood(now: float) -> str:
        if int(now) != allowance["second"]:
            allowance.update(second=int(now), left=RATE // 2)
        allowance["left"] -= 1
        return "ok" if allowance["left"] >= 0 else "429"

    seen = steady(mood, 60)
    assert seen.without(10, 60) <= 0.7  # half could not be better
    assert seen.calls(10, 60) <= 0.6 * 50 * RATE


def test_one_user_whose_provider_had_a_bad_moment_has_vectors_again() -> None:
    seen = steady(outage("server", 5, 15), 40, rate=0.5)
    assert seen.without(18, 40) == 0
