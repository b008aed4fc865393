"""Facts about asking a provider: every failure has its kind, none outlasts its deadline."""

from __future__ import annotations

import pytest

from recalld.domain.errors import Upstream
from recalld.infra.http import JsonApi, Kind
from tests.doubles.provider import provider

BODY = {"input": ["one two"], "model": "m"}
SHORT_S, LONG_S = 0.2, 20.0


@pytest.mark.parametrize(
    ("fault", "kind", "deadline_s"),
    [
        ("hang", Kind.TIMEOUT, SHORT_S),
        ("trickle", Kind.TIMEOUT, SHORT_S),
        ("reset", Kind.NETWORK, LONG_S),
        ("garbage", Kind.FORMAT, LONG_S),
        ("huge", Kind.FORMAT, LONG_S),
        ("401", Kind.AUTH, LONG_S),
        ("403", Kind.AUTH, LONG_S),
        ("402", Kind.BILLING, LONG_S),
        ("429", Kind.RATE, LONG_S),
        ("400", Kind.REQUEST, LONG_S),
        ("500", Kind.SERVER, LONG_S),
        ("302", Kind.REQUEST, LONG_S),
    ],
)
async def test_a_failure_has_a_kind_a_remedy_and_an_end(fault: str, kind: Kind, deadline_s: float) -> None:
    async with provider(fault=fault) as double:
        api = JsonApi("embedder acme", double.url, {})
        with pytest.raises(Upstream) as failed:
            await api.post("/embeddings", BODY, deadline_s=deadline_s)
        await api.close()
    assert failed.value.details["kind"] == kind
    assert failed.value.remedy
    assert "embedder acme" in failed.value.message


async def test_a_429_says_when_to_come_back() -> None:
    async with provider(fault="429", retry_after="7") as double:
        api = JsonApi("acme", double.url, {})
        with pytest.raises(Upstream) as failed:
            await api.post("embeddings", BODY, deadline_s=LONG_S)
        await api.close()
    assert failed.value.details["retry_after_s"] == 7.0


async def test_nobody_there_is_a_network_failure() -> None:
    async with provider() as double:
        url = double.url
    api = JsonApi("acme", url, {})
    with pytest.raises(Upstream) as failed:
        await api.post("embeddings", BODY, deadline_s=LONG_S)
    await api.close()
    assert failed.value.details["kind"] == Kind.NETWORK


async def test_a_large_answer_comes_back_whole() -> None:
    async with provider(width=8_192) as double:
        api = JsonApi("acme", double.url, {"Authorization": "Bearer k"})
        answer = await api.post("embeddings", BODY, deadline_s=LONG_S)
        await api.close()
    assert len(answer["data"][0]["embedding"]) == 8_192
    assert double.seen[0].headers["authorization"] == "Bearer k"
