"""An embedder that is asked once for each text: the searches of one block all ask the same question."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recalld.domain.errors import Upstream
from recalld.ports.embedder import Embedder


class MemoizedEmbedder:
    """``inner`` for the length of one block. What was late or failed once is not waited for again."""

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
        """See ``ports.embedder.Embedder``; one text a call. Raises ``Upstream`` where the first try ended without."""
        (text,) = texts
        async with self._lock:
            if text not in self._vectors:
                self._vectors[text] = None  # stays so if this try is cut short
                self._vectors[text] = await self._inner.embed(texts, query=query)
            vector = self._vectors[text]
        if vector is None:
            raise Upstream("the embedder did not answer for this question", remedy="recall goes on by words alone")
        return vector

    async def close(self) -> None:
        """Nothing: the embedder belongs to the engine."""
