"""Content-addressed bytes too large to lie in the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Protocol


class Blobs(Protocol):
    """Immutable files named by the sha256 of their bytes."""

    async def put(self, data: bytes) -> str:
        """Make bytes durable (temp, fsync, rename, fsync of the folder) and return their hash. Idempotent.
        Raises ``Upstream`` (disk full)."""

    async def put_file(self, path: Path) -> str:
        """The same for a file on the same disk; it is moved, not copied."""

    async def get(self, hash: str) -> bytes:
        """Raises ``Corrupt`` when it is missing or does not verify."""

    def pieces(self, hash: str) -> AsyncIterator[bytes]:
        """The same in pieces of at most a megabyte, so that a large one is never in memory whole. Raises ``Corrupt`` before the
        first piece when it is missing, and in place of the last one when they do not verify: who got all has the true bytes."""

    def has(self, hash: str) -> bool:
        """True if it is there. Synchronous: ask where waiting may happen."""

    async def old(self, shard: str, *, older_than_s: float) -> list[str]:
        """Hashes of blobs older than this that begin with ``shard`` (one of ``SHARDS``). What interrupted writes of that age
        left there is removed."""

    async def remove(self, hashes: Sequence[str], *, older_than_s: float) -> list[str]:
        """Delete blobs, but for those that were put again within the last ``older_than_s`` seconds; returns those that are not
        there any more."""

    async def set_aside(self, hashes: Sequence[str], *, older_than_s: float) -> int:
        """Move blobs of that age out of the way, where they are kept for a while; returns how many."""

    async def aside(self, *, older_than_s: float) -> list[str]:
        """Hashes of what was set aside longer ago than this."""

    async def drop_aside(self, hashes: Sequence[str]) -> None:
        """Delete for good what was set aside."""

    async def take_back(self, hashes: Sequence[str]) -> int:
        """Put back what was set aside. ``get`` and ``pieces`` do it by themselves."""


SHARDS = tuple(f"{n:02x}" for n in range(256))
"""What hashes begin with: a sweep goes from one to the next."""
