"""Content-addressed bytes too large to lie in the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class Blobs(Protocol):
    """Immutable files named by the sha256 of their bytes."""

    async def put(self, data: bytes) -> str:
        """Make bytes durable (temp, fsync, rename, fsync of the folder) and return their hash. Idempotent.
        Raises ``Upstream`` (disk full)."""
        ...

    async def put_file(self, path: Path) -> str:
        """The same for a file on the same disk; it is moved, not copied."""
        ...

    async def get(self, hash: str) -> bytes:
        """Raises ``Corrupt`` when it is missing or does not verify."""
        ...

    def has(self, hash: str) -> bool:
        """True if it is there. Synchronous: ask where waiting may happen."""
        ...

    async def sweep(self, *, known: frozenset[str], older_than_s: float) -> int:
        """Delete blobs not in ``known`` and older than this; returns how many."""
        ...
