"""Queries of a model in this process never queue."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from recalld.adapters.embedder.hash import HashEmbedder, HashSettings
from recalld.app.query_slots import QuerySlots
from recalld.domain.errors import Busy


class Gated(HashEmbedder):
    """Embeds once it may."""

    def __init__(self) -> None:
        super().__init__(HashSettings())
        self.begun, self.free = asyncio.Event(), asyncio.Event()

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> Any:
        self.begun.set()
        if query:
            await self.free.wait()
        return await super().embed(texts, query=query)


async def test_a_query_beside_another_is_busy_and_the_slot_is_free_again_after_it() -> None:
    inner = Gated()
    slots = QuerySlots(inner)
    first = asyncio.ensure_future(slots.embed(["one"], query=True))
    await inner.begun.wait()
    with pytest.raises(Busy):
        await slots.embed(["two"], query=True)
    inner.free.set()
    assert (await first).any()
    assert (await slots.embed(["two"], query=True)).any()


async def test_a_cancelled_query_leaves_its_slot() -> None:
    inner = Gated()
    slots = QuerySlots(inner)
    first = asyncio.ensure_future(slots.embed(["one"], query=True))
    await inner.begun.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    inner.free.set()
    assert (await slots.embed(["two"], query=True)).any()


async def test_documents_take_no_slot() -> None:
    inner = Gated()
    slots = QuerySlots(inner)
    first = asyncio.ensure_future(slots.embed(["one"], query=True))
    await inner.begun.wait()
    assert (await slots.embed(["a document"])).any()
    first.cancel()
