"""Voyage's embedding interface."""

from __future__ import annotations

from recalld.ports.plugin import Plugin

from .remote import ListShape, RemoteEmbedder, RemoteSettings

SHAPE = ListShape(
    provider="voyage",
    base_url="https://api.voyageai.com/v1",
    model="voyage-3.5",
    widths={"voyage-3.5": 1_024, "voyage-3.5-lite": 1_024, "voyage-3-large": 1_024, "voyage-code-3": 1_024},
    dimensions="output_dimension",
    purpose=("input_type", "query", "document"),
    always={"encoding_format": "base64"},
)

plugin = Plugin("embedder", "voyage", RemoteSettings, lambda settings: RemoteEmbedder(settings, SHAPE), remote=True)
