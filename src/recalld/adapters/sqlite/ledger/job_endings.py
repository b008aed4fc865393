"""Notifies callers that wait for their jobs to end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from recalld.domain.caller import Caller

ENDINGS_S = 2.0
"""Some jobs end without a notification: their last lease expires, or their user is removed."""


class JobEndings:
    """Used on one loop, so nothing needs a lock."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], set[asyncio.Event]] = {}

    def ended(self, caller: Caller) -> None:
        """A job of this caller may have ended."""
        for event in self._waiting.get((caller.account, caller.user), ()):
            event.set()

    async def of(self, caller: Caller) -> AsyncGenerator[None, None]:
        """See ``ports.ledger.Tasks.endings``. A job that ends between two yields is not missed."""
        event, owner = asyncio.Event(), (caller.account, caller.user)
        self._waiting.setdefault(owner, set()).add(event)
        try:
            while True:
                event.clear()
                yield
                try:
                    async with asyncio.timeout(ENDINGS_S):
                        await event.wait()
                except TimeoutError:
                    pass
        finally:
            self._waiting[owner].discard(event)
            if not self._waiting[owner]:
                del self._waiting[owner]
