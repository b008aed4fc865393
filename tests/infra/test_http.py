"""Provider calls: every failure has its kind, and no call exceeds its deadline."""

from __future__ import annotations

import traceback

import pytest

from recalld.adapters.embedder import openai
from recalld.domain.errors import Upstream
from recalld.infra.http import JsonApi, Kind
from tests.fakes.provider import provider

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


async def test_an_unreachable_host_is_a_network_failure() -> None:
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


LEAK = "sk-proj-Ab3dEf6hIj9kLmN0pQrStUvWxYz12345"
TEXT = "the " + "harbour " + "secret"


@pytest.mark.parametrize("fault", ["quotes 401", "quotes 400", "quotes 500", "quotes 302", "quotes 200"])
async def test_keys_and_texts_quoted_by_a_provider_are_not_repeated(fault: str) -> None:
    async with provider(fault=fault) as double:
        api = JsonApi("acme", double.url, {"Authorization": f"Bearer {LEAK}"})
        embedder = openai.plugin.make(
            openai.plugin.settings(base_url=double.url, api_key=LEAK, model="m", dimensions=8, request_timeout_s=LONG_S)
        )
        with pytest.raises(Upstream) as failed:
            await embedder.embed([TEXT])
        await api.close()
        await embedder.close()
    shown = "".join(traceback.format_exception(failed.value)) + repr(failed.value.details)
    assert LEAK not in shown
    assert TEXT not in shown


async def test_a_refusal_keeps_its_status_and_its_known_word() -> None:
    async with provider(fault="quotes 401") as double:
        api = JsonApi("acme", double.url, {"Authorization": f"Bearer {LEAK}"})
        with pytest.raises(Upstream, match=r"acme answered 401 \(invalid_api_key\)"):
            await api.post("embeddings", BODY, deadline_s=LONG_S)
        await api.close()


@pytest.mark.parametrize(("header", "least", "most"), [("0.25", 0.25, 0.25), ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0)])
async def test_a_429_may_say_fractions_and_dates(header: str, least: float, most: float) -> None:
    async with provider(fault="429", retry_after=header) as double:
        api = JsonApi("acme", double.url, {})
        with pytest.raises(Upstream) as failed:
            await api.post("embeddings", BODY, deadline_s=LONG_S)
        await api.close()
    wait_s = failed.value.details["retry_after_s"]
    assert isinstance(wait_s, float)
    assert least <= wait_s <= most


async def test_half_a_character_is_sent_as_a_question_mark() -> None:
    async with provider() as double:
        api = JsonApi("acme", double.url, {})
        await api.post("embeddings", {"input": ["zebra \ud800"], "model": "m"}, deadline_s=LONG_S)
        await api.close()
    assert double.seen[0].body["input"] == ["zebra ?"]


async def test_a_redirect_is_not_followed() -> None:
    async with provider(fault="quotes 302") as double:
        api = JsonApi("acme", double.url, {"Authorization": "Bearer k"})
        with pytest.raises(Upstream):
            await api.post("embeddings", BODY, deadline_s=LONG_S)
        await api.close()
    assert [request.path for request in double.seen] == ["/v1/embeddings"]
