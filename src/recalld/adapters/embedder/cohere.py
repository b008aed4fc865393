"""Cohere's embedding interface (v2): queries and documents are told apart by a field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recalld.ports.plugin import Plugin

from .remote import RemoteEmbedder, RemoteSettings, bearer


class CohereShape:
    """``POST {base_url}/embed``."""

    kind = "cohere"
    base_url = "https://api.cohere.com/v2"
    model = "embed-v4.0"
    widths: Mapping[str, int] = {"embed-v4.0": 1_536, "embed-english-v3.0": 1_024, "embed-multilingual-v3.0": 1_024}

    def headers(self, api_key: str) -> dict[str, str]:
        """See ``remote.Shape``."""
        return bearer(api_key)

    def request(self, settings: RemoteSettings, model: str, texts: Sequence[str], query: bool) -> tuple[str, Any]:
        """See ``remote.Shape``."""
        body: dict[str, Any] = {
            "model": model,
            "texts": list(texts),
            "input_type": "search_query" if query else "search_document",
            "embedding_types": ["float"],
        }
        return "embed", body | ({"output_dimension": settings.dimensions} if settings.dimensions else {})

    def vectors(self, answer: Any) -> Sequence[Any]:
        """See ``remote.Shape``."""
        rows: Sequence[Any] = answer["embeddings"]["float"]
        return rows


def _make(settings: RemoteSettings) -> RemoteEmbedder:
    return RemoteEmbedder(settings, CohereShape())


plugin = Plugin("embedder", "cohere", RemoteSettings, _make, remote=True)
