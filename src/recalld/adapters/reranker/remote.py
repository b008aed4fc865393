"""Rerankers behind HTTP: one request with a query and its candidates, one relevance each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from recalld.domain.errors import Invalid
from recalld.infra.http import JsonApi, bearer, misshapen
from recalld.rules.budget import cut

TEXTS_MAX = 20


class RerankSettings(BaseModel):
    """Settings of every reranker behind HTTP."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str = ""
    api_key: SecretStr = SecretStr("")
    model: str = ""
    input_tokens_max: int = Field(1_000, ge=16)
    request_timeout_s: float = Field(30.0, gt=0)


@dataclass(frozen=True, slots=True)
class RerankShape:
    """How one vendor formats requests and responses. ``path``: below ``base_url``; ``texts``: the field of the candidates;
    ``rows``: the rows of a response; ``score``: their field."""

    provider: str
    base_url: str
    model: str
    texts: str
    rows: Callable[[Any], Sequence[Any]]
    score: str
    path: str = "rerank"
    limit: str = ""


class RemoteReranker:
    """See ``ports.reranker.Reranker``."""

    def __init__(self, settings: RerankSettings, shape: RerankShape) -> None:
        url = settings.base_url or shape.base_url
        if not url:
            raise Invalid(
                f"the reranker {shape.provider} needs to know where it is",
                remedy="set reranker.base_url",
                details={"field": "reranker.base_url"},
            )
        self._settings = settings
        self._shape = shape
        self._model = settings.model or shape.model
        self.name = f"{shape.provider}:{self._model}" if self._model else shape.provider
        key = settings.api_key.get_secret_value()
        self._api = JsonApi(f"reranker {self.name}", url, bearer(key))

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """See ``ports.reranker.Reranker``."""
        if len(texts) > TEXTS_MAX:
            raise Invalid(f"{len(texts)} texts in one call", remedy=f"send at most {TEXTS_MAX}")
        if not texts:
            return []
        most = self._settings.input_tokens_max
        body: dict[str, Any] = {"query": cut(query, most), self._shape.texts: [cut(text, most) for text in texts]}
        body |= {"model": self._model} if self._model else {}
        body |= {self._shape.limit: len(texts)} if self._shape.limit else {}
        answer = await self._api.post(self._shape.path, body, deadline_s=self._settings.request_timeout_s)
        return self._scores(answer, len(texts))

    async def close(self) -> None:
        """Drop the connections."""
        await self._api.close()

    def _scores(self, answer: Any, count: int) -> list[float]:
        try:
            found = {int(row["index"]): float(row[self._shape.score]) for row in self._shape.rows(answer)}
        except (KeyError, IndexError, TypeError, ValueError) as odd:
            raise misshapen(self._api.name, f"gave no scores ({type(odd).__name__})") from None
        if sorted(found) != list(range(count)) or not all(map(math.isfinite, found.values())):
            raise misshapen(self._api.name, f"scored {len(found)} of {count} texts")
        return [min(max(found[at], 0.0), 1.0) for at in range(count)]
