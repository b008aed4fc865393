"""Facts about what stands around a provider."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from recalld.adapters.clock.memory import MemoryClock
from recalld.adapters.embedder.hash import HashEmbedder, HashSettings
from recalld.adapters.model import openai
from recalld.app.guard import Guard, GuardedEmbedder, GuardedModel
from recalld.app.usage_meter import UsageMeter
from recalld.domain.document import Document
from recalld.domain.errors import Busy, Upstream
from recalld.domain.policy import DayPolicy
from recalld.ports.embedder import Embedder
from recalld.ports.model import CallBudget
from recalld.rules.breaker import CallPolicy
from tests.fakes.provider import provider

POLICY = CallPolicy()


class Flaky:
    """Work that fails as it is told, then succeeds."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = list(kinds)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.kinds:
            raise Upstream("no", details={"kind": self.kinds.pop(0), "retry_after_s": 4.0})
        return "done"


@pytest.fixture
def clock() -> MemoryClock:
    return MemoryClock()


@pytest.fixture
def guard(clock: MemoryClock) -> Guard:
    return Guard("acme", clock)


async def ask(guard: Guard, work: Callable[[], Awaitable[str]], *, again: bool = False) -> str:
    return await guard.call(work, deadline_s=5.0, again=again)


async def test_a_broken_call_is_made_once_more_where_that_is_ours_to_do(guard: Guard) -> None:
    assert await ask(guard, Flaky("server"), again=True) == "done"
    with pytest.raises(Upstream):
        await ask(guard, Flaky("server"))


async def test_what_the_caller_did_wrong_is_not_tried_again(guard: Guard) -> None:
    work = Flaky("request")
    with pytest.raises(Upstream):
        await ask(guard, work, again=True)
    assert work.calls == 1
    assert guard.state.circuit == "closed"


async def test_a_provider_that_is_down_is_asked_no_more_and_one_probe_brings_it_back(
    guard: Guard, clock: MemoryClock
) -> None:
    work = Flaky(*["server"] * POLICY.failures_max)
    for _ in range(POLICY.failures_max):
        with pytest.raises(Upstream):
            await ask(guard, work)
    with pytest.raises(Busy, match="acme is not asked now"):
        await ask(guard, work)
    assert work.calls == POLICY.failures_max
    clock.advance(POLICY.open_s)
    assert await ask(guard, work) == "done"
    assert guard.state.circuit == "closed"


async def test_a_refused_key_pauses_the_lane_and_says_so(guard: Guard) -> None:
    with pytest.raises(Upstream):
        await ask(guard, Flaky("auth"))
    with pytest.raises(Busy) as refused:
        await ask(guard, Flaky())
    assert refused.value.retry_after_s == POLICY.pause_s
    assert (guard.state.circuit, guard.state.reason) == ("paused", "no")


async def test_a_429_is_honoured(guard: Guard, clock: MemoryClock) -> None:
    with pytest.raises(Upstream):
        await ask(guard, Flaky("rate"))
    with pytest.raises(Busy) as refused:
        await ask(guard, Flaky())
    assert refused.value.retry_after_s == 4.0
    clock.advance(4.0)
    assert await ask(guard, Flaky()) == "done"


async def test_what_hangs_ends_with_its_deadline(guard: Guard) -> None:
    with pytest.raises(Upstream, match="in time"):
        await guard.call(asyncio.Event().wait, deadline_s=0.01, again=False)
    assert guard.state.failures == 1


async def test_a_caller_who_goes_away_at_once_blames_nobody(guard: Guard) -> None:
    task = asyncio.ensure_future(guard.call(asyncio.Event().wait, deadline_s=60.0, again=False))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await ask(guard, Flaky()) == "done"
    assert guard.state.circuit == "closed"


def embedding(inner: Embedder, guard: Guard, clock: MemoryClock) -> GuardedEmbedder:
    meter = UsageMeter("hash", "question", DayPolicy(), clock)
    return GuardedEmbedder(inner, guard, meter, clock, deadline_s=5.0, bulk_deadline_s=5.0)


async def test_a_question_asked_twice_is_embedded_once(guard: Guard, clock: MemoryClock) -> None:
    embedder = embedding(HashEmbedder(HashSettings()), guard, clock)
    one = await embedder.embed(["heron"], query=True)
    both = await embedder.embed(["heron", "stork"], query=True)
    assert guard.state.calls == 2
    assert np.array_equal(one[0], both[0])
    await embedder.close()


class Far(HashEmbedder):
    """Takes a second of this clock."""

    def __init__(self, clock: MemoryClock) -> None:
        super().__init__(HashSettings())
        self._clock = clock

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        self._clock.advance(1.0)
        return await super().embed(texts, query=query)


async def test_company_is_waited_for_as_long_as_the_embedder_gives_time(guard: Guard, clock: MemoryClock) -> None:
    far, near = embedding(Far(clock), guard, clock), embedding(HashEmbedder(HashSettings()), guard, clock)
    assert far.linger_s("stork") == 0.0  # nothing is known about it yet
    for embedder in (far, near):
        await embedder.embed(["heron"], query=True)
    assert 0.0 < far.linger_s("stork") <= 0.06
    assert far.linger_s("heron") == 0.0  # its vector is here
    assert near.linger_s("stork") == 0.0
    await far.close()
    await near.close()


async def test_nobody_waits_for_company_while_the_embedder_refuses_at_once(guard: Guard, clock: MemoryClock) -> None:
    embedder = embedding(Far(clock), guard, clock)
    await embedder.embed(["heron"], query=True)
    assert embedder.linger_s("stork") > 0
    for _ in range(2):
        with pytest.raises(Upstream):
            await ask(guard, Flaky("auth"))
        clock.advance(POLICY.pause_first_s)
    assert embedder.linger_s("stork") == 0.0
    await embedder.close()


async def test_a_language_model_is_asked_once_and_put_off_while_it_is_down(clock: MemoryClock) -> None:
    async with provider(fault="500") as fake:
        inner = openai.plugin.make(openai.plugin.settings(base_url=fake.url))
        model = GuardedModel(inner, Guard("model", clock), deadline_s=5.0)
        budget = CallBudget(100_000, 100, 60.0)
        for _ in range(POLICY.failures_max):
            with pytest.raises(Upstream):
                await model.on(budget).tiers_of_document("a.md", Document("text/plain", "words"))
        with pytest.raises(Busy):
            await model.on(budget).tiers_of_document("a.md", Document("text/plain", "words"))
        assert len(fake.seen) == budget.calls == POLICY.failures_max
        await model.close()
