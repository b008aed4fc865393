"""Content-addressed bytes too large to lie in the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
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

    def pieces(self, hash: str) -> AsyncIterator[bytes]:
        """The same in pieces of at most a megabyte, so that a large one is never in memory whole. Raises ``Corrupt`` before the
        first piece when it is missing, and in place of the last one when they do not verify: who got all has the true bytes."""
        ...

    def has(self, hash: str) -> bool:
        """True if it is there. Synchronous: ask where waiting may happen."""
        ...

    async def sweep(self, *, known: frozenset[str], older_than_s: float) -> int:
        """Delete blobs not in ``known`` and older than this; returns how many."""
        ...
