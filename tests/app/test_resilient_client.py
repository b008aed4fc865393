"""Deadlines, retries, circuit breaker and rate limit around a provider."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from recalld.adapters.embedder.hash import HashEmbedder, HashSettings
from recalld.adapters.model import openai
from recalld.app.resilient_client import ResilientClient, ResilientEmbedder, ResilientModel
from recalld.app.usage import UsageMeter
from recalld.domain.document import Document
from recalld.domain.errors import Busy, Upstream
from recalld.domain.policy import DayPolicy
from recalld.ports.embedder import Embedder
from recalld.ports.model import CallBudget
from recalld.rules.breaker import CallPolicy
from tests.fakes.clock import MemoryClock
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
def client(clock: MemoryClock) -> ResilientClient:
    return ResilientClient("acme", clock)


async def ask(client: ResilientClient, work: Callable[[], Awaitable[str]], *, retry: bool = False) -> str:
    return await client.call(work, deadline_s=5.0, retry=retry)


async def test_a_broken_call_is_retried_once_where_retries_are_ours(client: ResilientClient) -> None:
    assert await ask(client, Flaky("server"), retry=True) == "done"
    with pytest.raises(Upstream):
        await ask(client, Flaky("server"))


async def test_invalid_requests_are_not_retried(client: ResilientClient) -> None:
    work = Flaky("request")
    with pytest.raises(Upstream):
        await ask(client, work, retry=True)
    assert work.calls == 1
    assert client.state.circuit == "closed"


async def test_a_provider_outage_opens_the_circuit_and_one_probe_closes_it(
    client: ResilientClient, clock: MemoryClock
) -> None:
    work = Flaky(*["server"] * POLICY.failures_max)
    for _ in range(POLICY.failures_max):
        with pytest.raises(Upstream):
            await ask(client, work)
    with pytest.raises(Busy, match="circuit open for acme"):
        await ask(client, work)
    assert work.calls == POLICY.failures_max
    clock.advance(POLICY.open_s)
    assert await ask(client, work) == "done"
    assert client.state.circuit == "closed"


async def test_a_refused_key_pauses_the_lane_and_says_so(client: ResilientClient) -> None:
    with pytest.raises(Upstream):
        await ask(client, Flaky("auth"))
    with pytest.raises(Busy) as refused:
        await ask(client, Flaky())
    assert refused.value.retry_after_s == POLICY.pause_s
    assert (client.state.circuit, client.state.reason) == ("paused", "no")


async def test_a_429_is_honoured(client: ResilientClient, clock: MemoryClock) -> None:
    with pytest.raises(Upstream):
        await ask(client, Flaky("rate"))
    with pytest.raises(Busy) as refused:
        await ask(client, Flaky())
    assert refused.value.retry_after_s == 4.0
    clock.advance(4.0)
    assert await ask(client, Flaky()) == "done"


async def test_a_hanging_call_ends_at_its_deadline(client: ResilientClient) -> None:
    with pytest.raises(Upstream, match="in time"):
        await client.call(asyncio.Event().wait, deadline_s=0.01, retry=False)
    assert client.state.failures == 1


async def test_a_call_cancelled_at_once_counts_as_no_failure(client: ResilientClient) -> None:
    task = asyncio.ensure_future(client.call(asyncio.Event().wait, deadline_s=60.0, retry=False))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await ask(client, Flaky()) == "done"
    assert client.state.circuit == "closed"


def embedding(inner: Embedder, client: ResilientClient, clock: MemoryClock) -> ResilientEmbedder:
    meter = UsageMeter("hash", "question", DayPolicy(), clock)
    return ResilientEmbedder(inner, client, meter, clock, deadline_s=5.0, bulk_deadline_s=5.0)


async def test_a_repeated_query_is_embedded_once(client: ResilientClient, clock: MemoryClock) -> None:
    embedder = embedding(HashEmbedder(HashSettings()), client, clock)
    one = await embedder.embed(["heron"], query=True)
    both = await embedder.embed(["heron", "stork"], query=True)
    assert client.state.calls == 2
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


async def test_company_is_waited_for_as_long_as_the_embedder_gives_time(
    client: ResilientClient, clock: MemoryClock
) -> None:
    far, near = embedding(Far(clock), client, clock), embedding(HashEmbedder(HashSettings()), client, clock)
    assert far.linger_s("stork") == 0.0  # nothing is known about it yet
    for embedder in (far, near):
        await embedder.embed(["heron"], query=True)
    assert 0.0 < far.linger_s("stork") <= 0.06
    assert far.linger_s("heron") == 0.0  # its vector is here
    assert near.linger_s("stork") == 0.0
    await far.close()
    await near.close()


async def test_calls_do_not_linger_while_the_circuit_is_open(client: ResilientClient, clock: MemoryClock) -> None:
    embedder = embedding(Far(clock), client, clock)
    await embedder.embed(["heron"], query=True)
    assert embedder.linger_s("stork") > 0
    for _ in range(2):
        with pytest.raises(Upstream):
            await ask(client, Flaky("auth"))
        clock.advance(POLICY.pause_first_s)
    assert embedder.linger_s("stork") == 0.0
    await embedder.close()


async def test_a_language_model_outage_defers_jobs_without_retries(clock: MemoryClock) -> None:
    async with provider(fault="500") as fake:
        inner = openai.plugin.make(openai.plugin.settings(base_url=fake.url))
        model = ResilientModel(inner, ResilientClient("model", clock), deadline_s=5.0)
        budget = CallBudget(100_000, 100, 60.0)
        for _ in range(POLICY.failures_max):
            with pytest.raises(Upstream):
                await model.on(budget).tiers_of_document("a.md", Document("text/plain", "words"))
        with pytest.raises(Busy):
            await model.on(budget).tiers_of_document("a.md", Document("text/plain", "words"))
        assert len(fake.seen) == budget.calls == POLICY.failures_max
        await model.close()
