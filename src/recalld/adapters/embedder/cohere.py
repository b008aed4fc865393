"""Cohere's embedding interface (v2)."""

from __future__ import annotations

from recalld.ports.plugin import Plugin

from .remote import ListShape, RemoteEmbedder, RemoteSettings

SHAPE = ListShape(
    provider="cohere",
    base_url="https://api.cohere.com/v2",
    model="embed-v4.0",
    widths={"embed-v4.0": 1_536, "embed-english-v3.0": 1_024, "embed-multilingual-v3.0": 1_024},
    path="embed",
    texts="texts",
    dimensions="output_dimension",
    purpose=("input_type", "search_query", "search_document"),
    always={"embedding_types": ["float"]},
    rows=lambda answer: answer["embeddings"]["float"],
)

plugin = Plugin("embedder", "cohere", RemoteSettings, lambda settings: RemoteEmbedder(settings, SHAPE), remote=True)
