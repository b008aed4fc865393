"""Text Embeddings Inference and what speaks like it: a server of one's own, told where it is by ``base_url``."""

from __future__ import annotations

from recalld.ports.plugin import Plugin

from .remote import RemoteReranker, RerankSettings, RerankShape

SHAPE = RerankShape(kind="tei", base_url="", model="", texts="texts", rows=lambda answer: answer, score="score")

plugin = Plugin("reranker", "tei", RerankSettings, lambda settings: RemoteReranker(settings, SHAPE), remote=True)
