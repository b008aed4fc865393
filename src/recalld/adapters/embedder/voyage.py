"""Voyage's embedding interface: queries and documents are told apart by a field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recalld.ports.plugin import Plugin

from .remote import RemoteEmbedder, RemoteSettings, bearer, by_index


class VoyageShape:
    """``POST {base_url}/embeddings``."""

    kind = "voyage"
    base_url = "https://api.voyageai.com/v1"
    model = "voyage-3.5"
    widths: Mapping[str, int] = {
        "voyage-3.5": 1_024,
        "voyage-3.5-lite": 1_024,
        "voyage-3-large": 1_024,
        "voyage-code-3": 1_024,
    }

    def headers(self, api_key: str) -> dict[str, str]:
        """See ``remote.Shape``."""
        return bearer(api_key)

    def request(self, settings: RemoteSettings, model: str, texts: Sequence[str], query: bool) -> tuple[str, Any]:
        """See ``remote.Shape``."""
        body: dict[str, Any] = {
            "model": model,
            "input": list(texts),
            "input_type": "query" if query else "document",
            "encoding_format": "base64",
        }
        return "embeddings", body | ({"output_dimension": settings.dimensions} if settings.dimensions else {})

    def vectors(self, answer: Any) -> Sequence[Any]:
        """See ``remote.Shape``."""
        return by_index(answer["data"])


def _make(settings: RemoteSettings) -> RemoteEmbedder:
    return RemoteEmbedder(settings, VoyageShape())


plugin = Plugin("embedder", "voyage", RemoteSettings, _make, remote=True)
