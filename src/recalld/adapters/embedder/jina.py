"""Jina's embedding API: a task names the purpose of a text."""

from __future__ import annotations

from recalld.ports.plugin import Plugin

from .remote import ListShape, RemoteEmbedder, RemoteSettings

SHAPE = ListShape(
    provider="jina",
    base_url="https://api.jina.ai/v1",
    model="jina-embeddings-v3",
    widths={"jina-embeddings-v3": 1_024, "jina-embeddings-v4": 2_048},
    dimensions="dimensions",
    purpose=("task", "retrieval.query", "retrieval.passage"),
    always={"embedding_type": "base64"},
)

plugin = Plugin("embedder", "jina", RemoteSettings, lambda settings: RemoteEmbedder(settings, SHAPE), remote=True)
