"""Facts about rerankers behind HTTP, each vendor's shape against a double that speaks it."""

from __future__ import annotations

from typing import Any

import pytest

from recalld.adapters.reranker import cohere, jina, tei, voyage
from recalld.domain.errors import Invalid, Upstream
from tests.doubles.provider import provider

PLUGINS = [cohere.plugin, jina.plugin, voyage.plugin, tei.plugin]
TEXTS = ["the stork flew", "the heron stood still", "tax"]


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda p: p.name)
async def test_every_vendor_gives_one_relevance_a_text_in_order(plugin: Any) -> None:
    async with provider() as double:
        reranker = plugin.make(plugin.settings(base_url=double.url, api_key="k"))
        assert await reranker.rerank("the heron stood", TEXTS) == pytest.approx([1 / 3, 1.0, 0.0])
        assert await reranker.rerank("anything", []) == []
        await reranker.close()
    assert double.seen[0].headers["authorization"] == "Bearer k"


@pytest.mark.parametrize("fault", ["garbage", "500"])
async def test_a_broken_answer_is_the_providers_failure(fault: str) -> None:
    async with provider(fault=fault) as double:
        reranker = cohere.plugin.make(cohere.plugin.settings(base_url=double.url))
        with pytest.raises(Upstream):
            await reranker.rerank("heron", TEXTS)
        await reranker.close()


async def test_a_server_of_ones_own_needs_its_address() -> None:
    with pytest.raises(Invalid, match="where it is"):
        tei.plugin.make(tei.plugin.settings())
