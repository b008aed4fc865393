"""Jina's embedding interface: what a text is for is told by a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recalld.ports.plugin import Plugin

from .remote import RemoteEmbedder, RemoteSettings, bearer, by_index


class JinaShape:
    """``POST {base_url}/embeddings``."""

    kind = "jina"
    base_url = "https://api.jina.ai/v1"
    model = "jina-embeddings-v3"
    widths: Mapping[str, int] = {"jina-embeddings-v3": 1_024, "jina-embeddings-v4": 2_048}

    def headers(self, api_key: str) -> dict[str, str]:
        """See ``remote.Shape``."""
        return bearer(api_key)

    def request(self, settings: RemoteSettings, model: str, texts: Sequence[str], query: bool) -> tuple[str, Any]:
        """See ``remote.Shape``."""
        body: dict[str, Any] = {
            "model": model,
            "input": list(texts),
            "task": "retrieval.query" if query else "retrieval.passage",
            "embedding_type": "base64",
        }
        return "embeddings", body | ({"dimensions": settings.dimensions} if settings.dimensions else {})

    def vectors(self, answer: Any) -> Sequence[Any]:
        """See ``remote.Shape``."""
        return by_index(answer["data"])


def _make(settings: RemoteSettings) -> RemoteEmbedder:
    return RemoteEmbedder(settings, JinaShape())


plugin = Plugin("embedder", "jina", RemoteSettings, _make, remote=True)
