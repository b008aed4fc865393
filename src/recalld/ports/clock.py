"""Time and randomness."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Wall time for records, monotonic time for deadlines, identifiers for new things."""

    def now(self) -> float:
        """Epoch seconds."""

    def monotonic(self) -> float:
        """Seconds that never jump."""

    def stamp(self, form: str) -> str:
        """The time now in UTC, by a ``strftime`` form."""

    def token(self, bytes_count: int = 16) -> str:
        """Random hex of twice that many characters."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""
