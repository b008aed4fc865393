"""Text Embeddings Inference and compatible self-hosted servers, at ``base_url``."""

from __future__ import annotations

from recalld.ports.plugin import Plugin

from .remote import RemoteReranker, RerankSettings, RerankShape

SHAPE = RerankShape(provider="tei", base_url="", model="", texts="texts", rows=lambda answer: answer, score="score")

plugin = Plugin("reranker", "tei", RerankSettings, lambda settings: RemoteReranker(settings, SHAPE), remote=True)
