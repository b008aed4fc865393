"""Contents are named by the sha256 of their bytes: compared at every read, and by a slow background pass. Messages have a hash."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import apsw

from recalld.adapters.sqlite.database.append_streams import StreamVersion, read_content
from recalld.adapters.sqlite.database.sql import fetch_all
from recalld.domain.errors import Corrupt

NAMED_MAX = 3
CONTENTS_MAX = 2_000
MESSAGES = "message:"
"""Begins what names a message among contents; its node follows."""
# What retention let go meanwhile, or was forgotten, is no loss any more.
DAMAGED = f"""
SELECT count(*) FROM damaged WHERE hash IN (SELECT hash FROM blob UNION ALL SELECT hash FROM grown) OR EXISTS (
  SELECT 1 FROM node n WHERE n.id = CAST(substr(damaged.hash, {len(MESSAGES) + 1}) AS INTEGER) AND n.gone = 0
  AND damaged.hash GLOB '{MESSAGES}*')"""


async def bytes_to_embed(
    hash_: str,
    read: Callable[[Callable[[apsw.Connection], StreamVersion | None]], Awaitable[StreamVersion | None]],
    get: Callable[[str], Awaitable[bytes]],
) -> bytes:
    """A content's bytes; b"" if it is damaged: reading it raises an error, and the rest of the batch is still embedded."""
    try:
        return await read_content(hash_, read, get)
    except Corrupt:
        return b""


@dataclass(frozen=True, slots=True)
class ContentCheck:
    """A content: whether it verifies, None where its bytes lie elsewhere; ``grown``: a version of a stream."""

    hash: str
    size: int
    is_intact: bool | None
    grown: bool


_CONTENTS = (
    "SELECT hash, size, data, 0 FROM blob WHERE hash > ?1 UNION ALL SELECT hash, size, NULL, 1 FROM grown WHERE hash > ?1 "
    "ORDER BY hash"
)


def contents_after(c: apsw.Connection, after: str, bytes_max: int) -> tuple[list[ContentCheck], str]:
    """The next contents by hash, and the hash after which to go on, "" at the end."""
    found: list[ContentCheck] = []
    bytes_read = 0
    for hash_, size, data, is_grown in c.execute(_CONTENTS, (after,)):
        elsewhere = is_grown or (data is None and size)
        is_intact = None if elsewhere else hashlib.sha256(data or b"").hexdigest() == hash_
        found.append(ContentCheck(str(hash_), int(size), is_intact, bool(is_grown)))
        bytes_read += int(size)
        if bytes_read >= bytes_max or len(found) >= CONTENTS_MAX:
            return found, str(hash_)
    return found, ""


def record_damage(
    c: apsw.Connection, is_intact: Sequence[str], damaged: Sequence[tuple[str, bool]], now: float
) -> None:
    """Keep the list of damaged contents: hash and whether it is missing."""
    c.executemany("DELETE FROM damaged WHERE hash = ?", [(h,) for h in is_intact])
    c.executemany(
        "INSERT OR REPLACE INTO damaged (hash, at, missing) VALUES (?, ?, ?)", [(h, now, int(m)) for h, m in damaged]
    )


def uris_of(c: apsw.Connection, hash_: str) -> str:
    """Where a content is (or was): addresses from the log."""
    living = fetch_all(
        c,
        "SELECT DISTINCT l.uri FROM node n JOIN log l ON l.node = n.id AND l.after = n.hash WHERE n.hash = ? AND n.gone = 0 "
        "LIMIT ?",
        (hash_, NAMED_MAX),
    )
    if living:
        return ", ".join(str(uri) for (uri,) in living)
    past = fetch_all(c, "SELECT uri FROM log WHERE after = ? ORDER BY seq DESC LIMIT 1", (hash_,))
    return f"an earlier version of {past[0][0]}" if past else f"an unnamed file ({hash_[:12]}…)"
