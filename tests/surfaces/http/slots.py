"""Slots of admission control, held for a block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

from recalld.surfaces.http.admission import Slot


@asynccontextmanager
async def held(acquired: Awaitable[Slot]) -> AsyncIterator[Slot]:
    """Hold a slot while the block runs."""
    slot = await acquired
    try:
        yield slot
    finally:
        slot.release()
