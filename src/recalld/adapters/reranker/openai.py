"""Rerank services called "openai" in an ov.conf: ``base_url`` is the whole endpoint, the request names ``model``, ``query`` and
``documents``. DashScope's compatible mode, vLLM, SiliconFlow and LiteLLM respond with Cohere's rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recalld.ports.plugin import Plugin

from .remote import RemoteReranker, RerankSettings, RerankShape


def _rows(answer: Any) -> Sequence[Any]:
    """Return the scored rows: in ``results``, in ``data``, or in ``output`` for DashScope's native API."""
    inner = answer.get("output", answer)
    found: Sequence[Any] = inner["results"] if "results" in inner else inner["data"]
    return found


SHAPE = RerankShape(
    provider="openai", base_url="", model="", texts="documents", rows=_rows, score="relevance_score", path=""
)

plugin = Plugin("reranker", "openai", RerankSettings, lambda settings: RemoteReranker(settings, SHAPE), remote=True)
