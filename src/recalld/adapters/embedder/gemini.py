"""Gemini's embedding interface: one request for each text, sent as a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recalld.ports.plugin import Plugin

from .remote import RemoteEmbedder, RemoteSettings


class GeminiShape:
    """``POST {base_url}/models/{model}:batchEmbedContents``."""

    provider = "gemini"
    base_url = "https://generativelanguage.googleapis.com/v1beta"
    model = "gemini-embedding-001"
    widths: Mapping[str, int] = {"gemini-embedding-001": 3_072, "text-embedding-004": 768}

    def headers(self, api_key: str) -> dict[str, str]:
        """See ``remote.Shape``."""
        return {"x-goog-api-key": api_key} if api_key else {}

    def request(self, settings: RemoteSettings, model: str, texts: Sequence[str], query: bool) -> tuple[str, Any]:
        """See ``remote.Shape``."""
        common: dict[str, Any] = {
            "model": f"models/{model}",
            "taskType": "RETRIEVAL_QUERY" if query else "RETRIEVAL_DOCUMENT",
        }
        common |= {"outputDimensionality": settings.dimensions} if settings.dimensions else {}
        requests = [common | {"content": {"parts": [{"text": text}]}} for text in texts]
        return f"models/{model}:batchEmbedContents", {"requests": requests}

    def vectors(self, answer: Any) -> Sequence[Any]:
        """See ``remote.Shape``."""
        return [row["values"] for row in answer["embeddings"]]


def _make(settings: RemoteSettings) -> RemoteEmbedder:
    return RemoteEmbedder(settings, GeminiShape())


plugin = Plugin("embedder", "gemini", RemoteSettings, _make, remote=True)
