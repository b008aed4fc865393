"""Blobs in a dictionary."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from recalld.domain.errors import Corrupt, Upstream

PIECE_BYTES = 65_536


class MemoryBlobs:
    """See ``ports.blobs.Blobs``. Nothing has an age here: everything is older than asked."""

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}
        self._aside: dict[str, bytes] = {}

    async def put(self, data: bytes) -> str:
        """See ``ports.blobs.Blobs``."""
        return self._store(data)

    async def put_file(self, path: Path) -> str:
        """See ``ports.blobs.Blobs``."""
        return self._store(_read_and_unlink(path))

    async def get(self, hash: str) -> bytes:
        """See ``ports.blobs.Blobs``."""
        await self.take_back([hash])
        if hash not in self._held:
            raise Corrupt(f"the content {hash[:12]}… is missing", remedy="put it first", details={"missing": True})
        return self._held[hash]

    async def pieces(self, hash: str) -> AsyncIterator[bytes]:
        """See ``ports.blobs.Blobs``."""
        data = await self.get(hash)
        for start in range(0, len(data), PIECE_BYTES):
            yield data[start : start + PIECE_BYTES]

    def has(self, hash: str) -> bool:
        """See ``ports.blobs.Blobs``."""
        return hash in self._held

    async def old(self, shard: str, *, older_than_s: float) -> list[str]:
        """See ``ports.blobs.Blobs``."""
        return [h for h in self._held if h.startswith(shard)]

    async def remove(self, hashes: Sequence[str], *, older_than_s: float) -> list[str]:
        """See ``ports.blobs.Blobs``."""
        for hash_ in hashes:
            self._held.pop(hash_, None)
        return list(hashes)

    async def set_aside(self, hashes: Sequence[str], *, older_than_s: float) -> int:
        """See ``ports.blobs.Blobs``."""
        found = [h for h in hashes if h in self._held]
        self._aside.update({h: self._held.pop(h) for h in found})
        return len(found)

    async def aside(self, *, older_than_s: float) -> list[str]:
        """See ``ports.blobs.Blobs``."""
        return list(self._aside)

    async def drop_aside(self, hashes: Sequence[str]) -> None:
        """See ``ports.blobs.Blobs``."""
        for hash_ in hashes:
            self._aside.pop(hash_, None)

    async def take_back(self, hashes: Sequence[str]) -> int:
        """See ``ports.blobs.Blobs``."""
        found = [h for h in hashes if h in self._aside]
        self._held.update({h: self._aside.pop(h) for h in found})
        return len(found)

    def _store(self, data: bytes) -> str:
        hash_ = hashlib.sha256(data).hexdigest()
        self._held[hash_] = bytes(data)
        return hash_


def _read_and_unlink(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as failed:
        raise Upstream(f"a large file could not be stored: {failed.strerror}", remedy="send it again") from failed
    path.unlink()
    return data
