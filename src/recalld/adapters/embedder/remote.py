"""Common code of embedding models behind HTTP. Each vendor's shape has a file of its own."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from recalld.domain.errors import Invalid
from recalld.infra.http import JsonApi, bearer, misshapen
from recalld.rules.budget import batches, cut


class RemoteSettings(BaseModel):
    """Settings of every embedder behind HTTP. ``prefix_*``: put before each text, for models that need it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str = ""
    api_key: SecretStr = SecretStr("")
    model: str = ""
    dimensions: int = Field(0, ge=0, le=8_192)
    batch_texts_max: int = Field(64, ge=1, le=2_048)
    batch_tokens_max: int = Field(100_000, ge=1)
    input_tokens_max: int = Field(8_000, ge=1)
    prefix_query: str = ""
    prefix_document: str = ""
    similarity_floor: float = 0.2
    similarity_ceiling: float = 0.85
    request_timeout_s: float = Field(60.0, gt=0)


class Shape(Protocol):
    """How one vendor formats requests and responses, and its defaults."""

    @property
    def provider(self) -> str:
        """Its name in the configuration."""
        ...

    @property
    def base_url(self) -> str:
        """URL of the vendor's service."""
        ...

    @property
    def model(self) -> str:
        """The default model."""
        ...

    @property
    def widths(self) -> Mapping[str, int]:
        """Dimensions of known models."""
        ...

    def headers(self, api_key: str) -> dict[str, str]:
        """Return the headers that carry the key."""
        ...

    def request(self, settings: RemoteSettings, model: str, texts: Sequence[str], query: bool) -> tuple[str, Any]:
        """Return path and body of one call."""
        ...

    def vectors(self, answer: Any) -> Sequence[Any]:
        """Return one row of numbers (or base64 of little-endian float32) per text, in order. Raises ``KeyError``,
        ``TypeError`` or ``ValueError`` for a response of another shape."""
        ...


@dataclass(frozen=True, slots=True)
class ListShape:
    """The usual shape: one list of texts in, one row a text out.

    ``texts``: the field they go into; ``dimensions``: the field of the width, "" = not sent; ``purpose``: field and words for
    queries and for documents; ``always``: fields of every request; ``rows``: the vectors of a response.
    """

    provider: str
    base_url: str
    model: str
    widths: Mapping[str, int]
    path: str = "embeddings"
    texts: str = "input"
    dimensions: str = ""
    purpose: tuple[str, str, str] = ("", "", "")
    always: Mapping[str, Any] = field(default_factory=dict)
    rows: Callable[[Any], Sequence[Any]] = lambda answer: by_index(answer["data"])

    def headers(self, api_key: str) -> dict[str, str]:
        """See ``Shape``."""
        return bearer(api_key)

    def request(self, settings: RemoteSettings, model: str, texts: Sequence[str], query: bool) -> tuple[str, Any]:
        """See ``Shape``."""
        body: dict[str, Any] = {"model": model, self.texts: list(texts), **self.always}
        if self.dimensions and settings.dimensions:
            body[self.dimensions] = settings.dimensions
        name, for_query, for_document = self.purpose
        return self.path, body | ({name: for_query if query else for_document} if name else {})

    def vectors(self, answer: Any) -> Sequence[Any]:
        """See ``Shape``."""
        return self.rows(answer)


class RemoteEmbedder:
    """See ``ports.embedder.Embedder``. Vectors are checked and brought to unit length; overlong texts are cut."""

    def __init__(self, settings: RemoteSettings, shape: Shape) -> None:
        self._settings = settings
        self._shape = shape
        self._model = settings.model or shape.model
        width = settings.dimensions or shape.widths.get(self._model, 0)
        if not self._model or not width:
            raise Invalid(
                f"the embedder {shape.provider} needs to know {'the dimensions of ' + self._model if self._model else 'its model'}",
                remedy="set embedder.model and embedder.dimensions",
                details={"field": "embedder.dimensions" if self._model else "embedder.model"},
            )
        url = settings.base_url or shape.base_url
        self.name = f"{shape.provider}:{self._model}"
        self.width = width
        self.batch_max = settings.batch_texts_max
        self.floor, self.ceiling = settings.similarity_floor, settings.similarity_ceiling
        # Not the address: the same model at another address gives the same vectors.
        options = f"{settings.prefix_query}|{settings.prefix_document}|{settings.input_tokens_max}"
        self.fingerprint = f"{shape.provider}/{self._model}/{width}/{options}/unit"
        self._api = JsonApi(f"embedder {self.name}", url, shape.headers(settings.api_key.get_secret_value()))

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        """See ``ports.embedder.Embedder``."""
        if len(texts) > self.batch_max:
            raise Invalid(f"{len(texts)} texts in one call", remedy=f"send at most {self.batch_max}")
        prefix = self._settings.prefix_query if query else self._settings.prefix_document
        filled = [at for at, text in enumerate(texts) if text.strip()]
        sent = [cut(prefix + texts[at], self._settings.input_tokens_max) for at in filled]
        out = np.zeros((len(texts), self.width), np.float32)
        parts = batches(sent, count_max=self.batch_max, tokens_max=self._settings.batch_tokens_max)
        for start, end in parts:
            out[filled[start:end]] = await self._call(sent[start:end], query)
        return out

    async def close(self) -> None:
        """Drop the connections."""
        await self._api.close()

    async def _call(self, texts: Sequence[str], query: bool) -> NDArray[np.float32]:
        path, body = self._shape.request(self._settings, self._model, texts, query)
        answer = await self._api.post(path, body, deadline_s=self._settings.request_timeout_s)
        try:
            rows = np.array([_numbers(row) for row in self._shape.vectors(answer)], np.float32)
        except (KeyError, IndexError, TypeError, ValueError) as odd:
            raise misshapen(self._api.name, f"gave no vectors ({type(odd).__name__})") from None
        if rows.shape != (len(texts), self.width):
            raise misshapen(self._api.name, f"gave vectors of shape {rows.shape}, not {(len(texts), self.width)}")
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        if not np.isfinite(length).all() or not length.all():
            raise misshapen(self._api.name, "gave a vector without length")
        return np.asarray(rows / length, np.float32)


def _numbers(row: Any) -> Any:
    return np.frombuffer(base64.b64decode(row, validate=True), "<f4") if isinstance(row, str) else row


def by_index(rows: Any) -> Sequence[Any]:
    """Return vectors in order of the rows' ``index`` fields, which may come in any order."""
    return [row["embedding"] for row in sorted(rows, key=lambda row: int(row["index"]))]
