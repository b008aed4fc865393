"""Jina's rerank interface."""

from __future__ import annotations

from recalld.ports.plugin import Plugin

from .remote import RemoteReranker, RerankSettings, RerankShape

SHAPE = RerankShape(
    provider="jina",
    base_url="https://api.jina.ai/v1",
    model="jina-reranker-v2-base-multilingual",
    texts="documents",
    rows=lambda answer: answer["results"],
    score="relevance_score",
    limit="top_n",
)

plugin = Plugin("reranker", "jina", RerankSettings, lambda settings: RemoteReranker(settings, SHAPE), remote=True)
