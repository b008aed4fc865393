"""Contents that grew by appends: every version is the beginning of one stream, so that an append stores what it adds.

A stream begins with the bytes of a content in the blob store (``base``) or with none, and goes on in segments. Its versions
are rows of ``grown``, each with its own hash: how many of the stream's bytes it has is its size. Whoever reads one verifies it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import apsw

from recalld.domain.errors import Corrupt

from .sql import every, only

SEGMENT_BYTES = 16_384
"""Segments are filled up to this before another begins: 8 MiB have 512."""
FLAT_BYTES_MAX = 1_024
"""A version up to this is stored as it is."""


@dataclass(frozen=True, slots=True)
class Grown:
    """A version: the content ``base`` of the blob store ("" = none), then ``data``."""

    hash: str
    base: str
    data: bytes = b""

    def whole(self, front: bytes) -> bytes:
        """All its bytes; ``front`` are those of ``base``. Raises ``Corrupt`` where they do not verify."""
        data = front + self.data
        if self.base == self.hash:
            return data  # verified by the blob store
        if hashlib.sha256(data).hexdigest() != self.hash:
            raise Corrupt(f"the content {self.hash[:12]}… does not verify", remedy="restore the store from a backup")
        return data


def grown(c: apsw.Connection, hash_: str) -> Grown | None:
    """The version with this hash; None: there is none."""
    found = c.execute(
        "SELECT g.size, s.id, s.base, s.begins FROM grown g JOIN stream s ON s.id = g.stream WHERE g.hash = ?", (hash_,)
    ).fetchone()
    if found is None:
        return None
    size, stream, base, begins = found
    segments = every(c, "SELECT data FROM segment WHERE stream = ? AND start < ? ORDER BY start", (stream, size))
    return Grown(hash_, base, b"".join(data for (data,) in segments)[: size - begins])


async def whole_of(
    hash_: str,
    read: Callable[[Callable[[apsw.Connection], Grown | None]], Awaitable[Grown | None]],
    get: Callable[[str], Awaitable[bytes]],
) -> bytes:
    """The bytes of a content that does not lie in the ledger as it is: ``read`` reads the store, ``get`` the blob store. Raises
    ``Corrupt``."""
    it = await read(lambda c: grown(c, hash_)) or Grown(hash_, hash_)
    return it.whole(await get(it.base) if it.base else b"")


def inline(c: apsw.Connection, hash_: str) -> bytes | None:
    """A version's bytes where none of them lie in the blob store, else None. Raises ``Corrupt``."""
    found = grown(c, hash_)
    return None if found is None or found.base else found.whole(b"")


def grow(c: apsw.Connection, old: str, new: str, size: int, more: bytes) -> None:
    """Store the content ``new`` of ``size`` bytes, which is the content ``old`` and ``more`` behind it. ``old`` is there."""
    if every(c, "SELECT 1 FROM blob WHERE hash = ?1 UNION ALL SELECT 1 FROM grown WHERE hash = ?1", (new,)):
        return
    had = size - len(more)
    found = c.execute(
        "SELECT s.id, s.size FROM grown g JOIN stream s ON s.id = g.stream WHERE g.hash = ?", (old,)
    ).fetchone()
    if found is not None and found[1] == had:
        stream = int(found[0])
    elif found is not None:
        stream = _fork(c, int(found[0]), had)
    else:
        kept = c.execute("SELECT data FROM blob WHERE hash = ?", (old,)).fetchone()
        data = b"" if not had else None if kept is None else kept[0]
        if data is not None and size <= FLAT_BYTES_MAX:
            c.execute("INSERT INTO blob (hash, size, data) VALUES (?, ?, ?)", (new, size, bytes(data) + more))
            return
        stream = _begin(c, old, had, data)
    _extend(c, stream, had, more)
    c.execute("INSERT INTO grown (hash, size, stream) VALUES (?, ?, ?)", (new, size, stream))


def _begin(c: apsw.Connection, old: str, had: int, data: bytes | None) -> int:
    outside = data is None
    values = (old if outside else "", had if outside else 0, had if outside else 0)
    c.execute("INSERT INTO stream (base, begins, size) VALUES (?, ?, ?)", values)
    stream = int(c.last_insert_rowid())
    if data:
        _extend(c, stream, 0, bytes(data))
    return stream


def _fork(c: apsw.Connection, stream: int, had: int) -> int:
    """Another stream with the first bytes of one that has gone on otherwise."""
    base, begins = only(c, "SELECT base, begins FROM stream WHERE id = ?", (stream,))
    c.execute("INSERT INTO stream (base, begins, size) VALUES (?, ?, ?)", (base, begins, begins))
    made = int(c.last_insert_rowid())
    segments = every(c, "SELECT data FROM segment WHERE stream = ? AND start < ? ORDER BY start", (stream, had))
    _extend(c, made, begins, b"".join(data for (data,) in segments)[: had - begins])
    return made


def _extend(c: apsw.Connection, stream: int, at: int, more: bytes) -> None:
    last = c.execute(
        "SELECT start, data FROM segment WHERE stream = ? ORDER BY start DESC LIMIT 1", (stream,)
    ).fetchone()
    if last is not None and len(last[1]) + len(more) <= SEGMENT_BYTES:
        c.execute("UPDATE segment SET data = ? WHERE stream = ? AND start = ?", (last[1] + more, stream, last[0]))
    elif more:
        c.execute("INSERT INTO segment (stream, start, data) VALUES (?, ?, ?)", (stream, at, more))
    c.execute("UPDATE stream SET size = ? WHERE id = ?", (at + len(more), stream))


def let_go(c: apsw.Connection, hashes: list[str]) -> int:
    """Drop versions that no node has, and the bytes that no other version needs; returns how many went."""
    gone = 0
    for hash_ in hashes:
        found = every(
            c,
            "DELETE FROM grown WHERE hash = ? AND NOT EXISTS (SELECT 1 FROM node WHERE hash = grown.hash) RETURNING stream",
            (hash_,),
        )
        gone += len(found)
        for (stream,) in found:
            _shorten(c, stream)
    return gone


def _shorten(c: apsw.Connection, stream: int) -> None:
    (size,) = only(c, "SELECT coalesce(max(size), -1) FROM grown WHERE stream = ?", (stream,))
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
