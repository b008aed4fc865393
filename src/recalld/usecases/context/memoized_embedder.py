"""An embedder that embeds each text once: all searches of a block share their queries."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recalld.domain.errors import Upstream
from recalld.ports.embedder import Embedder


class MemoizedEmbedder:
    """Caches the vectors of ``inner`` for one block, including failures: a text that failed or timed out is not retried."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self._vectors: dict[str, NDArray[np.float32] | None] = {}
        self._lock = asyncio.Lock()
        self.name = inner.name
        self.width = inner.width
        self.fingerprint = inner.fingerprint
        self.batch_max = inner.batch_max
        self.floor = inner.floor
        self.ceiling = inner.ceiling

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        """See ``ports.embedder.Embedder``; one text a call. Raises ``Upstream`` if the first call failed."""
        (text,) = texts
        async with self._lock:
            if text not in self._vectors:
                self._vectors[text] = None  # stays None if this call is cancelled
                self._vectors[text] = await self._inner.embed(texts, query=query)
            vector = self._vectors[text]
        if vector is None:
            raise Upstream("the embedder did not answer for this question", remedy="recall goes on by words alone")
        return vector

    async def close(self) -> None:
        """Nothing: the embedder belongs to the engine."""
