"""Cohere's rerank API, which many gateways offer too."""

from __future__ import annotations

from recalld.ports.plugin import Plugin

from .remote import RemoteReranker, RerankSettings, RerankShape

SHAPE = RerankShape(
    provider="cohere",
    base_url="https://api.cohere.com/v2",
    model="rerank-v3.5",
    texts="documents",
    rows=lambda answer: answer["results"],
    score="relevance_score",
    limit="top_n",
)

plugin = Plugin("reranker", "cohere", RerankSettings, lambda settings: RemoteReranker(settings, SHAPE), remote=True)
