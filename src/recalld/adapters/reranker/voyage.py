"""Voyage's rerank interface."""

from __future__ import annotations

from recalld.ports.plugin import Plugin

from .remote import RemoteReranker, RerankSettings, RerankShape

SHAPE = RerankShape(
    provider="voyage",
    base_url="https://api.voyageai.com/v1",
    model="rerank-2.5",
    texts="documents",
    rows=lambda answer: answer["data"],
    score="relevance_score",
    limit="top_k",
)

plugin = Plugin("reranker", "voyage", RerankSettings, lambda settings: RemoteReranker(settings, SHAPE), remote=True)
