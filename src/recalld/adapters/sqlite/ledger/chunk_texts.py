"""The texts of chunks that a search found, in one statement."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import apsw
import orjson

from recalld.adapters.sqlite.database.sql import fetch_all
from recalld.ports.ledger import ChunkText

from . import rows

# Only what is needed is read: a chunk's own text, a message's stretch, a tier, else the bytes of a file. Text comes as bytes,
# so that damaged text is shown as far as it goes.
_TEXTS = """
SELECT k.id, k.start, k."end", n.hash, n.source, n.size,
  CAST(CASE WHEN k.level = 0 THEN coalesce(t.abstract, '') WHEN k.level = 1 THEN coalesce(t.overview, '')
    WHEN k.text IS NOT NULL THEN k.text
    WHEN n.kind = ?2 THEN coalesce(substr(m.text, k.start + 1, k."end" - k.start), '') END AS BLOB),
  CASE WHEN k.level = 2 AND k.text IS NULL AND n.kind <> ?2 THEN b.data END
FROM json_each(?1) w JOIN chunk k ON k.id = w.value JOIN node n ON n.id = k.node
LEFT JOIN tier t ON t.node = k.node AND k.level < 2
LEFT JOIN message m ON m.node = k.node AND k.level = 2 AND n.kind = ?2
LEFT JOIN blob b ON b.hash = n.hash AND k.level = 2 AND n.kind <> ?2"""


class Stored(NamedTuple):
    """A chunk as the database has it. ``data`` None, and no text: its file's bytes, ``size`` of them, are elsewhere."""

    id: int
    found: ChunkText
    size: int
    is_complete: bool


def stored(c: apsw.Connection, chunk_ids: Sequence[int]) -> list[Stored]:
    """Return these chunks, without those that are gone or damaged."""
    found = fetch_all(c, _TEXTS, (orjson.dumps(list(chunk_ids)).decode(), rows.MESSAGE))
    return [one for row in found if (one := _stored(row)) is not None]


def _stored(row: tuple[Any, ...]) -> Stored | None:
    chunk, start, end, hash_, source, size, text, data = row
    headings = orjson.loads(source).get("headings", ()) if '"headings"' in source else ()
    if text is not None:
        return Stored(chunk, ChunkText(bytes(text).decode("utf-8", "replace"), hash=hash_), size, True)
    if data is not None and hashlib.sha256(data).hexdigest() != hash_:
        return None  # reads report it, and no wrong text is shown
    place = ChunkText("", data or b"", start, end, hash_, tuple(map(str, headings)))
    return Stored(chunk, place, size, data is not None or not size)
