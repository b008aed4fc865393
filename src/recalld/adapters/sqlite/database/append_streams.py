"""Contents that grow by appends: every version is a prefix of one stream, so that an append stores only what it adds.

A stream begins with the bytes of a content in the blob store (``base``) or with none, and continues in segments. Its
versions are rows of the table ``grown``, each with its own hash and size. Readers verify the hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import apsw

from recalld.domain.errors import Corrupt

from .sql import fetch_all, fetch_one

SEGMENT_BYTES = 16_384
"""Segments are filled up to this size before another begins: 8 MiB have 512."""
FLAT_BYTES_MAX = 1_024
"""A version up to this size is stored whole."""


@dataclass(frozen=True, slots=True)
class StreamVersion:
    """A version: the content ``base`` of the blob store ("" = none), then ``data``."""

    hash: str
    base: str
    data: bytes = b""

    def assemble(self, front: bytes) -> bytes:
        """All its bytes; ``front`` are those of ``base``. Raises ``Corrupt`` if the hash does not match."""
        data = front + self.data
        if self.base == self.hash:
            return data  # verified by the blob store
        if hashlib.sha256(data).hexdigest() != self.hash:
            raise Corrupt(f"the content {self.hash[:12]}… does not verify", remedy="restore the store from a backup")
        return data


def find_version(c: apsw.Connection, hash_: str) -> StreamVersion | None:
    """The version with this hash, None if there is none."""
    found = c.execute(
        "SELECT g.size, s.id, s.base, s.begins FROM grown g JOIN stream s ON s.id = g.stream WHERE g.hash = ?", (hash_,)
    ).fetchone()
    if found is None:
        return None
    size, stream, base, begins = found
    segments = fetch_all(c, "SELECT data FROM segment WHERE stream = ? AND start < ? ORDER BY start", (stream, size))
    return StreamVersion(hash_, base, b"".join(data for (data,) in segments)[: size - begins])


async def read_content(
    hash_: str,
    read: Callable[[Callable[[apsw.Connection], StreamVersion | None]], Awaitable[StreamVersion | None]],
    get: Callable[[str], Awaitable[bytes]],
) -> bytes:
    """The bytes of a content that is not stored whole in the database: ``read`` reads the store, ``get`` the blob store.
    Raises ``Corrupt``."""
    version = await read(lambda c: find_version(c, hash_)) or StreamVersion(hash_, hash_)
    return version.assemble(await get(version.base) if version.base else b"")


def inline_bytes(c: apsw.Connection, hash_: str) -> bytes | None:
    """A version's bytes where none of them lie in the blob store, else None. Raises ``Corrupt``."""
    found = find_version(c, hash_)
    return None if found is None or found.base else found.assemble(b"")


def append_version(c: apsw.Connection, old: str, new: str, size: int, appended: bytes) -> None:
    """Store the content ``new`` of ``size`` bytes: the existing content ``old`` followed by ``appended``."""
    if fetch_all(c, "SELECT 1 FROM blob WHERE hash = ?1 UNION ALL SELECT 1 FROM grown WHERE hash = ?1", (new,)):
        return
    old_size = size - len(appended)
    found = c.execute(
        "SELECT s.id, s.size FROM grown g JOIN stream s ON s.id = g.stream WHERE g.hash = ?", (old,)
    ).fetchone()
    if found is not None and found[1] == old_size:
        stream = int(found[0])
    elif found is not None:
        stream = _fork(c, int(found[0]), old_size)
    else:
        flat = c.execute("SELECT data FROM blob WHERE hash = ?", (old,)).fetchone()
        data = b"" if not old_size else None if flat is None else flat[0]
        if data is not None and size <= FLAT_BYTES_MAX:
            c.execute("INSERT INTO blob (hash, size, data) VALUES (?, ?, ?)", (new, size, bytes(data) + appended))
            return
        stream = _begin(c, old, old_size, data)
    _extend(c, stream, old_size, appended)
    c.execute("INSERT INTO grown (hash, size, stream) VALUES (?, ?, ?)", (new, size, stream))


def _begin(c: apsw.Connection, old: str, old_size: int, data: bytes | None) -> int:
    outside = data is None
    values = (old if outside else "", old_size if outside else 0, old_size if outside else 0)
    c.execute("INSERT INTO stream (base, begins, size) VALUES (?, ?, ?)", values)
    stream = int(c.last_insert_rowid())
    if data:
        _extend(c, stream, 0, bytes(data))
    return stream


def _fork(c: apsw.Connection, stream: int, old_size: int) -> int:
    """Another stream with the first bytes of one that has been extended differently."""
    base, begins = fetch_one(c, "SELECT base, begins FROM stream WHERE id = ?", (stream,))
    c.execute("INSERT INTO stream (base, begins, size) VALUES (?, ?, ?)", (base, begins, begins))
    fork = int(c.last_insert_rowid())
    segments = fetch_all(
        c, "SELECT data FROM segment WHERE stream = ? AND start < ? ORDER BY start", (stream, old_size)
    )
    _extend(c, fork, begins, b"".join(data for (data,) in segments)[: old_size - begins])
    return fork


def _extend(c: apsw.Connection, stream: int, at: int, appended: bytes) -> None:
    last = c.execute(
        "SELECT start, data FROM segment WHERE stream = ? ORDER BY start DESC LIMIT 1", (stream,)
    ).fetchone()
    if last is not None and len(last[1]) + len(appended) <= SEGMENT_BYTES:
        c.execute("UPDATE segment SET data = ? WHERE stream = ? AND start = ?", (last[1] + appended, stream, last[0]))
    elif appended:
        c.execute("INSERT INTO segment (stream, start, data) VALUES (?, ?, ?)", (stream, at, appended))
    c.execute("UPDATE stream SET size = ? WHERE id = ?", (at + len(appended), stream))


def drop_versions(c: apsw.Connection, hashes: list[str]) -> int:
    """Drop versions that no node references, and the bytes that no other version needs; returns how many."""
    gone = 0
    for hash_ in hashes:
        found = fetch_all(
            c,
            "DELETE FROM grown WHERE hash = ? AND NOT EXISTS (SELECT 1 FROM node WHERE hash = grown.hash) RETURNING stream",
            (hash_,),
        )
        gone += len(found)
        for (stream,) in found:
            _shorten(c, stream)
    return gone


def _shorten(c: apsw.Connection, stream: int) -> None:
    (size,) = fetch_one(c, "SELECT coalesce(max(size), -1) FROM grown WHERE stream = ?", (stream,))
    c.execute("DELETE FROM segment WHERE stream = ? AND start >= ?", (stream, size))
    if size < 0:
        c.execute("DELETE FROM stream WHERE id = ?", (stream,))
        return
    last = c.execute(
        "SELECT start, data FROM segment WHERE stream = ? ORDER BY start DESC LIMIT 1", (stream,)
    ).fetchone()
    if last is not None and last[0] + len(last[1]) > size:
        c.execute(
            "UPDATE segment SET data = ? WHERE stream = ? AND start = ?", (last[1][: size - last[0]], stream, last[0])
        )
    c.execute("UPDATE stream SET size = ? WHERE id = ?", (size, stream))
