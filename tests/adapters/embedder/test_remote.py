"""Embedding models behind HTTP: each vendor's protocol against a fake server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from recalld.adapters.embedder import cohere, gemini, jina, openai, voyage
from recalld.domain.errors import Invalid, Upstream
from tests.fakes.provider import WIDTH, Provider, provider, vector

PLUGINS = [openai.plugin, cohere.plugin, voyage.plugin, jina.plugin, gemini.plugin]
INPUT_TYPE_FIELDS = {"cohere": "input_type", "voyage": "input_type", "jina": "task"}


@asynccontextmanager
async def connected(plugin: Any, fake: Provider, **more: Any) -> AsyncIterator[Any]:
    settings = {"base_url": fake.url, "api_key": "k", "model": "m", "dimensions": WIDTH, **more}
    embedder = plugin.make(plugin.settings(**settings))
    yield embedder
    await embedder.close()


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda p: p.name)
async def test_every_vendor_gives_unit_vectors_in_order(plugin: Any) -> None:
    async with provider() as fake, connected(plugin, fake) as embedder:
        got = await embedder.embed(["red apple", "", "a boat at sea"])
    assert got.shape == (3, WIDTH)
    assert not got[1].any()
    assert np.allclose(got[[0, 2]], [vector("red apple", WIDTH), vector("a boat at sea", WIDTH)], atol=1e-3)
    key = fake.seen[0].headers.get("authorization") or fake.seen[0].headers.get("x-goog-api-key")
    assert "k" in str(key)


@pytest.mark.parametrize("plugin", [p for p in PLUGINS if p.name in INPUT_TYPE_FIELDS], ids=lambda p: p.name)
async def test_queries_and_documents_have_their_own_input_type(plugin: Any) -> None:
    async with provider() as fake, connected(plugin, fake) as embedder:
        await embedder.embed(["where"], query=True)
        await embedder.embed(["here"])
    query_type, document_type = (seen.body[INPUT_TYPE_FIELDS[plugin.name]] for seen in fake.seen)
    assert "query" in query_type
    assert query_type != document_type


async def test_prefixes_go_before_each_text_and_name_another_model() -> None:
    async with provider() as fake, connected(openai.plugin, fake, prefix_query="query: ") as embedder:
        await embedder.embed(["where"], query=True)
        await embedder.embed(["here"])
        plain = openai.plugin.make(openai.plugin.settings(model="m", dimensions=WIDTH))
        assert embedder.fingerprint != plain.fingerprint
        await plain.close()
    assert [seen.body["input"] for seen in fake.seen] == [["query: where"], ["here"]]


async def test_a_batch_is_sent_in_parts_that_fit_the_token_budget() -> None:
    async with provider() as fake, connected(openai.plugin, fake, batch_tokens_max=10, input_tokens_max=8) as embedder:
        got = await embedder.embed(["a" * 32, "b" * 32, "字" * 20])
    assert got.shape == (3, WIDTH)
    assert [len(seen.body["input"]) for seen in fake.seen] == [1, 1, 1]
    assert fake.seen[2].body["input"] == ["字" * 5]


@pytest.mark.parametrize("fault", ["dimensions", "garbage"])
async def test_an_answer_of_another_shape_is_the_providers_failure(fault: str) -> None:
    async with provider(fault=fault) as fake, connected(openai.plugin, fake) as embedder:
        with pytest.raises(Upstream) as failed:
            await embedder.embed(["red"])
    assert failed.value.details["kind"] == "format"


async def test_a_model_of_unknown_width_requires_the_setting() -> None:
    with pytest.raises(Invalid, match="dimensions of some-model"):
        openai.plugin.make(openai.plugin.settings(model="some-model"))


async def test_a_key_is_never_shown() -> None:
    assert "hush" not in repr(openai.plugin.settings(api_key="hush"))
