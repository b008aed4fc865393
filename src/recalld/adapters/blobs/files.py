"""Blobs as files: temp, fsync, rename, fsync of the folder; two levels of folders by hash."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from recalld.domain.errors import Corrupt, Upstream
from recalld.infra.offload import Pool

BLOCK_BYTES = 1 << 20


class Digest(Protocol):
    """What a hash takes."""

    def update(self, data: bytes, /) -> None:
        """Go on."""
        ...


class FileBlobs:
    """See ``ports.blobs.Blobs``. ``folder`` is ours alone."""

    def __init__(self, folder: Path, pool: Pool) -> None:
        self._folder = folder
        self._pool = pool

    async def put(self, data: bytes) -> str:
        """See ``ports.blobs.Blobs``."""
        return await self._pool.run(self._put, data)

    async def put_file(self, path: Path) -> str:
        """See ``ports.blobs.Blobs``."""
        return await self._pool.run(self._put_file, path)

    async def get(self, hash: str) -> bytes:
        """See ``ports.blobs.Blobs``."""
        return await self._pool.run(self._get, hash)

    async def pieces(self, hash: str) -> AsyncIterator[bytes]:
        """See ``ports.blobs.Blobs``."""
        digest = hashlib.sha256()
        file = await self._pool.run(self._open, hash)
        try:
            held = await self._pool.run(_next_block, file, digest)
            while block := await self._pool.run(_next_block, file, digest):
                yield held
                held = block
        finally:
            file.close()
        if digest.hexdigest() != hash:
            raise _does_not_verify(hash)
        if held:
            yield held

    def has(self, hash: str) -> bool:
        """See ``ports.blobs.Blobs``."""
        return self._place(hash).is_file()

    async def sweep(self, *, known: frozenset[str], older_than_s: float) -> int:
        """See ``ports.blobs.Blobs``. Files an interrupted write left behind go too."""
        return await self._pool.run(self._sweep, known, time.time() - older_than_s)

    def _place(self, hash_: str) -> Path:
        return self._folder / hash_[:2] / hash_[2:4] / hash_

    def _put(self, data: bytes) -> str:
        hash_ = hashlib.sha256(data).hexdigest()
        with _told():
            if self._renew(hash_):
                return hash_
            place = self._place(hash_)
            place.parent.mkdir(parents=True, exist_ok=True)
            temp = place.with_name(f".{secrets.token_hex(8)}.tmp")
            try:
                with temp.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                self._settle(temp, place)
            except OSError:
                temp.unlink(missing_ok=True)
                raise
        return hash_

    def _put_file(self, path: Path) -> str:
        with _told():
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while block := file.read(BLOCK_BYTES):
                    digest.update(block)
                os.fsync(file.fileno())
            hash_ = digest.hexdigest()
            if self._renew(hash_):
                path.unlink()
                return hash_
            place = self._place(hash_)
            place.parent.mkdir(parents=True, exist_ok=True)
            # Its age counts from here: an old upload must not be swept before a commit names it.
            os.utime(path)
            self._settle(path, place)
        return hash_

    def _renew(self, hash_: str) -> bool:
        """True if it is there already; young again, so that no sweep takes it before its commit comes."""
        try:
            os.utime(self._place(hash_))
        except FileNotFoundError:
            return False
        return True

    def _settle(self, temp: Path, place: Path) -> None:
        temp.replace(place)
        for folder in (place.parent, place.parent.parent, self._folder):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def _get(self, hash_: str) -> bytes:
        with self._open(hash_) as file:
            data = _read(file)
        if hashlib.sha256(data).hexdigest() != hash_:
            raise _does_not_verify(hash_)
        return data

    def _open(self, hash_: str) -> BinaryIO:
        try:
            return self._place(hash_).open("rb")
        except FileNotFoundError as lost:
            raise Corrupt(
                f"the content {hash_[:12]}… is missing", remedy="run recalld doctor; restore the blobs folder"
            ) from lost
        except OSError as failed:
            raise _unreadable(failed) from failed

    def _sweep(self, known: frozenset[str], before: float) -> int:
        gone = 0
        for path in self._folder.glob("*/*/*"):
            try:
                if path.name in known or path.stat().st_mtime >= before:
                    continue
                path.unlink()
            except FileNotFoundError:
                continue  # another sweep, or a write that gave up, was quicker
            gone += not path.name.startswith(".")
        return gone


@contextmanager
def _told() -> Iterator[None]:
    """A disk's refusal in our words."""
    try:
        yield
    except OSError as failed:
        raise Upstream(
            f"a large file could not be stored: {failed.strerror}", remedy="free some disk space and send it again"
        ) from failed


def _read(file: BinaryIO, count: int = -1) -> bytes:
    try:
        return file.read(count)
    except OSError as failed:
        raise _unreadable(failed) from failed


def _next_block(file: BinaryIO, digest: Digest) -> bytes:
    block = _read(file, BLOCK_BYTES)
    digest.update(block)
    return block


def _unreadable(failed: OSError) -> Upstream:
    return Upstream(f"a large file could not be read: {failed.strerror}", remedy="check the disk")


def _does_not_verify(hash_: str) -> Corrupt:
    return Corrupt(f"the content {hash_[:12]}… does not verify", remedy="restore the blobs folder from a backup")
