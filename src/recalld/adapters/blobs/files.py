"""Blobs as files: temporary file, fsync, rename, fsync of the folder; two levels of folders by hash."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from recalld.domain.errors import FULL_ERRNOS, Corrupt, Upstream, disk_full
from recalld.infra.file_permissions import make_folder, private_opener, tighten
from recalld.infra.thread_pool import Pool

BLOCK_BYTES = 1 << 20
LOCK_NAME = ".lock"


class Digest(Protocol):
    """The part of a hash object that is used."""

    def update(self, data: bytes, /) -> None:
        """Add bytes."""


class FileBlobs:
    """See ``ports.blobs.Blobs``. ``folder`` belongs to this store; ``aside`` is the folder for unknown files (default:
    next to it).

    A put and a sweep exclude each other, also between processes, by a lock on a file of the folder: a new blob is
    young, so no sweep deletes it before its commit.
    """

    def __init__(self, folder: Path, pool: Pool, aside: Path | None = None) -> None:
        self._folder = folder
        self._aside = aside or folder.parent / "lost+found"
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

    async def old(self, shard: str, *, older_than_s: float) -> list[str]:
        """See ``ports.blobs.Blobs``."""
        return await self._pool.run(self._old, shard, time.time() - older_than_s)

    async def remove(self, hashes: Sequence[str], *, older_than_s: float) -> list[str]:
        """See ``ports.blobs.Blobs``."""
        return await self._pool.run(self._remove, hashes, time.time() - older_than_s)

    async def set_aside(self, hashes: Sequence[str], *, older_than_s: float) -> int:
        """See ``ports.blobs.Blobs``."""
        return await self._pool.run(self._set_aside, hashes, time.time() - older_than_s)

    async def aside(self, *, older_than_s: float) -> list[str]:
        """See ``ports.blobs.Blobs``."""
        return await self._pool.run(self._list_aside, time.time() - older_than_s)

    async def drop_aside(self, hashes: Sequence[str]) -> None:
        """See ``ports.blobs.Blobs``."""
        await self._pool.run(self._drop_aside, hashes)

    async def take_back(self, hashes: Sequence[str]) -> int:
        """See ``ports.blobs.Blobs``."""
        return await self._pool.run(lambda: sum(self._take_back(hash_) for hash_ in hashes))

    def _place(self, hash_: str) -> Path:
        return self._folder / hash_[:2] / hash_[2:4] / hash_

    def _put(self, data: bytes) -> str:
        hash_ = hashlib.sha256(data).hexdigest()
        with _translated_errors(), self._locked(fcntl.LOCK_SH):
            if self._touch(hash_):
                return hash_
            place = self._place(hash_)
            self._make_folders(place)
            temp = place.with_name(f".{secrets.token_hex(8)}.tmp")
            try:
                with open(temp, "wb", opener=private_opener) as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                self._publish(temp, place)
            except OSError:
                temp.unlink(missing_ok=True)
                raise
        return hash_

    def _put_file(self, path: Path) -> str:
        with _translated_errors():
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while block := file.read(BLOCK_BYTES):
                    digest.update(block)
                os.fsync(file.fileno())
            hash_ = digest.hexdigest()
            with self._locked(fcntl.LOCK_SH):
                if self._touch(hash_):
                    path.unlink()
                    return hash_
                place = self._place(hash_)
                self._make_folders(place)
                # Reset its age: an old upload must not be swept before a commit refers to it.
                os.utime(path)
                tighten(path)
                self._publish(path, place)
        return hash_

    def _touch(self, hash_: str) -> bool:
        """Return True if the blob exists; its age is reset, so that no sweep deletes it before its commit."""
        try:
            os.utime(self._place(hash_))
        except FileNotFoundError:
            return False
        # A concurrent put may have renamed it without syncing the folder yet.
        self._sync_folders(self._place(hash_))
        return True

    def _publish(self, temp: Path, place: Path) -> None:
        temp.replace(place)
        self._sync_folders(place)

    def _sync_folders(self, place: Path) -> None:
        for folder in (place.parent, place.parent.parent, self._folder):
            _sync(folder)

    def _make_folders(self, place: Path) -> None:
        for folder in (self._folder, place.parent.parent, place.parent):
            make_folder(folder)

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        make_folder(self._folder)
        handle = os.open(self._folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, how)
            yield
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
            if not self._place(hash_).exists():
                self._take_back(hash_)
            return self._place(hash_).open("rb")
        except FileNotFoundError as lost:
            raise Corrupt(
                f"the content {hash_[:12]}… is missing",
                remedy="restore the blobs folder from a backup; `check` names what is missing",
                details={"missing": True},
            ) from lost
        except OSError as failed:
            raise _unreadable(failed) from failed

    # ------------------------------------------------------------------ sweeping
    def _old(self, shard: str, before: float) -> list[str]:
        found = []
        for path in (self._folder / shard).glob("*/*"):
            tighten(path)
            if not _is_older(path, before):
                continue
            if path.name.startswith("."):
                path.unlink(missing_ok=True)  # left by an interrupted write
            else:
                found.append(path.name)
        return found

    def _remove(self, hashes: Sequence[str], before: float) -> list[str]:
        gone = []
        with self._locked(fcntl.LOCK_EX):
            for hash_ in hashes:
                place = self._place(hash_)
                if _is_older(place, before):
                    place.unlink(missing_ok=True)
                if not place.exists():
                    gone.append(hash_)
        return gone

    def _set_aside(self, hashes: Sequence[str], before: float) -> int:
        moved = 0
        with _translated_errors(), self._locked(fcntl.LOCK_EX):
            make_folder(self._aside)
            for hash_ in hashes:
                place = self._place(hash_)
                if _is_older(place, before):
                    os.utime(place)  # start its grace period now
                    place.replace(self._aside / hash_)
                    moved += 1
            _sync(self._aside)
        return moved

    def _list_aside(self, before: float) -> list[str]:
        if not self._aside.is_dir():
            return []
        return [p.name for p in self._aside.iterdir() if _is_older(p, before) and p.is_file()]

    def _drop_aside(self, hashes: Sequence[str]) -> None:
        for hash_ in hashes:
            (self._aside / hash_).unlink(missing_ok=True)

    def _take_back(self, hash_: str) -> bool:
        """Return True if it had been set aside and is a blob again."""
        aside = self._aside / hash_
        if not aside.is_file():
            return False
        place = self._place(hash_)
        try:
            self._make_folders(place)
            os.utime(aside)
            self._publish(aside, place)
        except FileNotFoundError:
            return place.exists()  # another reader restored it
        return True


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Translate disk errors."""
    try:
        yield
    except OSError as failed:
        if failed.errno in FULL_ERRNOS:
            raise disk_full("the disk is full: a large file was not stored") from failed
        raise Upstream(
            f"a large file could not be stored: {failed.strerror}", remedy="free some disk space and send it again"
        ) from failed


def _is_older(path: Path, before: float) -> bool:
    try:
        return path.stat().st_mtime < before
    except FileNotFoundError:
        return False


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
    return Corrupt(
        f"the content {hash_[:12]}… does not verify",
        remedy="restore the blobs folder from a backup; `check` names what is damaged",
    )
