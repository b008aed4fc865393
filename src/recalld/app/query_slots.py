"""Bounds what queries may compute with a model in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recalld.domain.errors import Busy
from recalld.ports.embedder import Embedder

LINGER_S = 0.004
"""About the time of one query: one that would wait longer is one of many."""


class QuerySlots:
    """An embedder whose queries never queue: one computes, and one that gets no slot within ``LINGER_S`` is ``Busy``.

    Its search goes on without this model and says so. A queue would delay every search by all those before it.
    """

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self._slot = asyncio.Semaphore(1)
        self.name, self.width, self.fingerprint = inner.name, inner.width, inner.fingerprint
        self.batch_max, self.floor, self.ceiling = inner.batch_max, inner.floor, inner.ceiling

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        """See ``ports.embedder.Embedder``."""
        if not query:
            return await self._inner.embed(texts)
        try:
            async with asyncio.timeout(LINGER_S):
                await self._slot.acquire()
        except TimeoutError:
            raise Busy(f"{self.name} embeds other queries", retry_after_s=LINGER_S) from None
        try:
            return await self._inner.embed(texts, query=True)
        finally:
            self._slot.release()

    async def close(self) -> None:
        """Release the model."""
        await self._inner.close()
