"""The OpenAI interface, which Ollama, llama.cpp, vLLM, TEI and many others speak as well (set ``base_url``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recalld.ports.plugin import Plugin

from .remote import RemoteEmbedder, RemoteSettings, bearer, by_index


class OpenaiSettings(RemoteSettings):
    """``base64``: vectors travel as bytes, a quarter of the size; servers that do not know it may ignore it."""

    base64: bool = True
    send_dimensions: bool = False
    """Have the model shorten its vectors to ``dimensions`` (the text-embedding-3 family can)."""


class OpenaiShape:
    """``POST {base_url}/embeddings``."""

    kind = "openai"
    base_url = "https://api.openai.com/v1"
    model = "text-embedding-3-small"
    widths: Mapping[str, int] = {
        "text-embedding-3-small": 1_536,
        "text-embedding-3-large": 3_072,
        "text-embedding-ada-002": 1_536,
        "nomic-embed-text": 768,
        "mxbai-embed-large": 1_024,
        "bge-m3": 1_024,
    }

    def headers(self, api_key: str) -> dict[str, str]:
        """See ``remote.Shape``."""
        return bearer(api_key)

    def request(self, settings: RemoteSettings, model: str, texts: Sequence[str], query: bool) -> tuple[str, Any]:
        """See ``remote.Shape``."""
        body: dict[str, Any] = {"model": model, "input": list(texts)}
        if isinstance(settings, OpenaiSettings):
            body |= {"encoding_format": "base64"} if settings.base64 else {}
            body |= {"dimensions": settings.dimensions} if settings.send_dimensions and settings.dimensions else {}
        return "embeddings", body

    def vectors(self, answer: Any) -> Sequence[Any]:
        """See ``remote.Shape``."""
        return by_index(answer["data"])


def _make(settings: OpenaiSettings) -> RemoteEmbedder:
    return RemoteEmbedder(settings, OpenaiShape())


plugin = Plugin("embedder", "openai", OpenaiSettings, _make, remote=True)
