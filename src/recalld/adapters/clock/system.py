"""The machine's own clock."""

from __future__ import annotations

import asyncio
import secrets
import time
from datetime import UTC, datetime


class SystemClock:
    """See ``ports.clock.Clock``."""

    def now(self) -> float:
        """See ``ports.clock.Clock``."""
        return time.time()

    def monotonic(self) -> float:
        """See ``ports.clock.Clock``."""
        return time.monotonic()

    def stamp(self, form: str) -> str:
        """See ``ports.clock.Clock``."""
        return datetime.now(UTC).strftime(form)

    def token(self, bytes_count: int = 16) -> str:
        """See ``ports.clock.Clock``."""
        return secrets.token_hex(bytes_count)

    async def sleep(self, seconds: float) -> None:
        """See ``ports.clock.Clock``."""
        await asyncio.sleep(seconds)
