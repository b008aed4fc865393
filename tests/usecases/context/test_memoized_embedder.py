"""Each query is embedded once, for any number of searches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recalld.domain.errors import Busy, Upstream
from recalld.usecases.context.gather import MemoizedEmbedder


class Model:
    """Fails on request and counts its calls."""

    name, width, fingerprint, batch_max, floor, ceiling = "m", 2, "m:1", 8, 0.0, 1.0

    def __init__(self, error: Exception | None = None, gate: asyncio.Event | None = None) -> None:
        self.error, self.gate, self.calls = error, gate, 0

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        self.calls += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return np.ones((len(texts), 2), np.float32)

    async def close(self) -> None:
        raise AssertionError("the embedder belongs to the engine")


async def test_each_text_is_embedded_once() -> None:
    model = Model()
    once = MemoizedEmbedder(model)
    answers: list[Any] = await asyncio.gather(*(once.embed([t], query=True) for t in ("a", "b", "a")))
    assert model.calls == 2
    assert all(a.shape == (1, 2) for a in answers)
    await once.close()


async def test_a_failed_call_is_not_repeated() -> None:
    model = Model(Busy("full"))
    once = MemoizedEmbedder(model)
    with pytest.raises(Busy):
        await once.embed(["a"], query=True)
    with pytest.raises(Upstream):
        await once.embed(["a"], query=True)
    assert model.calls == 1


async def test_a_timed_out_call_is_not_awaited_again() -> None:
    model = Model(gate=asyncio.Event())
    once = MemoizedEmbedder(model)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(once.embed(["a"], query=True), 0)
    first = asyncio.ensure_future(once.embed(["b"], query=True))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    with pytest.raises(Upstream):
        await once.embed(["b"], query=True)
    assert model.calls == 1
