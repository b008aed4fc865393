"""Rerankers behind HTTP: each vendor's protocol against a fake server."""

from __future__ import annotations

from typing import Any

import pytest

from recalld.adapters.reranker import cohere, jina, openai, tei, voyage
from recalld.domain.errors import Invalid, Upstream
from tests.fakes.provider import provider

PLUGINS = [cohere.plugin, jina.plugin, voyage.plugin, tei.plugin]
TEXTS = ["the stork flew", "the heron stood still", "tax"]


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda p: p.name)
async def test_every_vendor_gives_one_relevance_a_text_in_order(plugin: Any) -> None:
    async with provider() as fake:
        reranker = plugin.make(plugin.settings(base_url=fake.url, api_key="k"))
        assert await reranker.rerank("the heron stood", TEXTS) == pytest.approx([1 / 3, 1.0, 0.0])
        assert await reranker.rerank("anything", []) == []
        await reranker.close()
    assert fake.seen[0].headers["authorization"] == "Bearer k"


@pytest.mark.parametrize("fault", ["garbage", "500"])
async def test_a_broken_answer_is_the_providers_failure(fault: str) -> None:
    async with provider(fault=fault) as fake:
        reranker = cohere.plugin.make(cohere.plugin.settings(base_url=fake.url))
        with pytest.raises(Upstream):
            await reranker.rerank("heron", TEXTS)
        await reranker.close()


async def test_a_server_of_ones_own_needs_its_address() -> None:
    with pytest.raises(Invalid, match="where it is"):
        tei.plugin.make(tei.plugin.settings())


@pytest.mark.parametrize("where", ["/v1/rerank", "/compatible-api/v1/reranks", "/rerank?version=2"])
async def test_a_full_endpoint_url_is_used_unchanged(where: str) -> None:
    async with provider() as fake:
        url = f"http://127.0.0.1:{fake.port}{where}"
        reranker = openai.plugin.make(openai.plugin.settings(base_url=url, api_key="k", model="m"))
        assert await reranker.rerank("the heron stood", TEXTS) == pytest.approx([1 / 3, 1.0, 0.0])
        await reranker.close()
    assert fake.seen[0].path == where
    assert fake.seen[0].body == {"model": "m", "query": "the heron stood", "documents": TEXTS}
    assert fake.seen[0].headers["authorization"] == "Bearer k"


@pytest.mark.parametrize("form", ["results", "data", "output"])
def test_rows_are_found_wherever_such_services_put_them(form: str) -> None:
    rows = [{"index": 0, "relevance_score": 0.5}]
    answer = {"output": {"results": rows}} if form == "output" else {form: rows}
    assert openai.SHAPE.rows(answer) == rows
