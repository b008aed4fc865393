"""The OpenAI interface, which Ollama, llama.cpp, vLLM, TEI and many others speak as well (set ``base_url``)."""

from __future__ import annotations

from dataclasses import replace

from recalld.ports.plugin import Plugin

from .remote import ListShape, RemoteEmbedder, RemoteSettings

SHAPE = ListShape(
    provider="openai",
    base_url="https://api.openai.com/v1",
    model="text-embedding-3-small",
    widths={
        "text-embedding-3-small": 1_536,
        "text-embedding-3-large": 3_072,
        "text-embedding-ada-002": 1_536,
        "nomic-embed-text": 768,
        "mxbai-embed-large": 1_024,
        "bge-m3": 1_024,
    },
)


class OpenaiSettings(RemoteSettings):
    """``base64``: vectors travel as bytes, a quarter of the size; servers that do not know it may ignore it.
    ``send_dimensions``: have the model shorten its vectors to ``dimensions`` (the text-embedding-3 family can)."""

    base64: bool = True
    send_dimensions: bool = False


def _make(settings: OpenaiSettings) -> RemoteEmbedder:
    always = {"encoding_format": "base64"} if settings.base64 else {}
    return RemoteEmbedder(
        settings, replace(SHAPE, always=always, dimensions="dimensions" if settings.send_dimensions else "")
    )


plugin = Plugin("embedder", "openai", OpenaiSettings, _make, remote=True)
