"""A clock that stands still until advanced, and sequential tokens."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime


class MemoryClock:
    """See ``ports.clock.Clock``. Sleeping moves the time on at once and lets others run."""

    def __init__(self, now: float = 1_715_169_600.0) -> None:
        self._now = now
        self._tokens = 0

    def now(self) -> float:
        """See ``ports.clock.Clock``."""
        return self._now

    def monotonic(self) -> float:
        """See ``ports.clock.Clock``."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds

    def stamp(self, form: str) -> str:
        """See ``ports.clock.Clock``."""
        return datetime.fromtimestamp(self._now, UTC).strftime(form)

    def token(self, bytes_count: int = 16) -> str:
        """See ``ports.clock.Clock``."""
        self._tokens += 1
        return f"{self._tokens:0{bytes_count * 2}x}"

    async def sleep(self, seconds: float) -> None:
        """See ``ports.clock.Clock``."""
        self.advance(seconds)
        await asyncio.sleep(0)
