"""Index rows: chunks with their full-text entries and the list of those still to be embedded."""

from __future__ import annotations

from collections.abc import Sequence

import apsw
import orjson

from recalld.adapters.sqlite.database.sql import fetch_all, fetch_one
from recalld.domain.document import Chunk
from recalld.rules.partition_terms import qualified_term

from .transaction import WriteTx

KIND_FILE, KIND_MESSAGE, KIND_TIER = 0, 1, 2
RECLAIM_MIN = 2_000
RECLAIM_SMALL = 20_000
"""Chunks up to which all full text is rewritten in a second or two, so it need not wait for the daily run."""
RECLAIM_EVERY_S = 24 * 3_600.0
MERGE_PAGES = 16


def insert_chunks(
    tx: WriteTx,
    node: int,
    partition_id: int,
    version: int,
    chunks: Sequence[Chunk],
    *,
    kind: int,
    group: int,
    previous: int,
    at: float,
    speaker: str,
) -> int:
    """Add a node's chunks behind ``previous`` in their group; returns the last one's id (``previous`` if none)."""
    c, added = tx.c, []
    for chunk in chunks:
        c.execute(
            'INSERT INTO chunk (owner, node, version, level, kind, start, "end", length, "group", previous, at, speaker, '
            "asks, terms, text, traits) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                partition_id, node, version, chunk.level, kind, chunk.start, chunk.end, len(chunk.terms), group, previous, at,
                speaker, chunk.asks, " ".join(chunk.terms), chunk.text or None, chunk.traits,
            ),
        )  # fmt: skip
        previous = c.last_insert_rowid()
        index_chunk(c, previous, partition_id, chunk.terms)
        added.append(previous)
    if added:
        list_unembedded(c, added, partition_id)
        count(c, partition_id, len(added), sum(len(chunk.terms) for chunk in chunks))
    return previous


def list_unembedded(c: apsw.Connection, chunks: Sequence[int], partition_id: int) -> None:
    """Have chunks embedded by every configured model."""
    c.execute(
        "INSERT OR IGNORE INTO unembedded (chunk, model, owner) SELECT w.value, m.id, ?1 FROM json_each(?2) w CROSS JOIN model m "
        "WHERE m.place > 0",
        (partition_id, orjson.dumps(chunks).decode()),
    )


def index_chunk(c: apsw.Connection, chunk: int, partition_id: int, terms: Sequence[str]) -> None:
    """Add a chunk's full-text entry."""
    mark = qualified_term(partition_id, "")  # in front of every term, put there by one join: a commit holds thousands
    words = mark + f" {mark}".join(terms) if terms else ""
    c.execute("INSERT INTO fts (rowid, terms) VALUES (?, ?)", (chunk, words))


def last_chunk(c: apsw.Connection, node: int) -> int:
    """Id of the last chunk of a file's text, 0 if it has none."""
    return int(fetch_one(c, "SELECT coalesce(max(id), 0) FROM chunk WHERE node = ? AND level = 2", (node,))[0])


def matching_chunks(c: apsw.Connection, node: int, chunks: Sequence[Chunk]) -> tuple[int, int]:
    """How many of ``chunks``, from the first on, a file has already, and the id of the last of these (0 = none)."""
    matching = last = 0
    found = c.execute(
        'SELECT id, start, "end", asks, traits, terms, text FROM chunk WHERE node = ? AND level = 2 ORDER BY id',
        (node,),
    )
    for (id_, *values), chunk in zip(found, chunks, strict=False):
        here = [chunk.start, chunk.end, int(chunk.asks), chunk.traits, " ".join(chunk.terms), chunk.text or None]
        if chunk.level != 2 or values != here:
            break
        matching, last = matching + 1, id_
    return matching, last


def has_chunks(c: apsw.Connection, node: int, chunks: Sequence[Chunk], *, levels: Sequence[int] = (2,)) -> bool:
    """Whether a node's chunks of these levels are these."""
    found = fetch_all(
        c,
        'SELECT level, start, "end", asks, traits, terms, text FROM chunk WHERE node = ? '
        f"AND level IN ({','.join('?' * len(levels))}) ORDER BY id",
        (node, *levels),
    )
    wanted = [(k.level, k.start, k.end, int(k.asks), k.traits, " ".join(k.terms), k.text or None) for k in chunks]
    return found == wanted


def delete_chunks(
    c: apsw.Connection, node: int, *, levels: Sequence[int] = (0, 1, 2), most: int = -1, after: int = 0
) -> int:
    """Remove a node's chunks of these levels (-1: all, else at most so many, from the first on) behind the chunk ``after`` with
    all that hangs on them; returns how many."""
    marks = ",".join("?" * len(levels))
    found = fetch_all(
        c,
        f"SELECT id, owner, length FROM chunk WHERE node = ? AND id > ? AND level IN ({marks}) ORDER BY id LIMIT ?",
        (node, after, *levels, most),
    )
    if not found:
        return 0
    gone = orjson.dumps([chunk for chunk, _, _ in found]).decode()
    for where in (
        "fts WHERE rowid",
        "vector WHERE chunk",
        "unembedded WHERE chunk",
        "refused WHERE chunk",
        "chunk WHERE id",
    ):
        c.execute(f"DELETE FROM {where} IN (SELECT value FROM json_each(?))", (gone,))
    for partition_id in {partition_id for _, partition_id, _ in found}:
        lengths = [length for _, whose, length in found if whose == partition_id]
        count(c, partition_id, -len(lengths), -sum(lengths))
    count_dead_entries(c, len(found))
    return len(found)


def count(c: apsw.Connection, partition_id: int, chunks: int, terms: int) -> None:
    """Keep a partition's counters true."""
    c.execute("UPDATE owner SET chunks = chunks + ?, terms = terms + ? WHERE id = ?", (chunks, terms, partition_id))


def count_dead_entries(c: apsw.Connection, entries: int) -> None:
    """Count dead full-text entries; they are reclaimed when that is worth the cost."""
    if entries:
        c.execute(
            "INSERT INTO meta VALUES ('fts_dropped', ?) ON CONFLICT (key) DO UPDATE SET value = value + excluded.value",
            (entries,),
        )


def repartition_chunks(c: apsw.Connection, node: int, partition_id: int) -> int:
    """Bring a node's chunks into another partition; returns how many."""
    found = fetch_all(
        c, "SELECT id, owner, length, terms FROM chunk WHERE node = ? AND owner <> ?", (node, partition_id)
    )
    for chunk, before, length, terms in found:
        c.execute("DELETE FROM fts WHERE rowid = ?", (chunk,))
        index_chunk(c, chunk, partition_id, terms.split())
        c.execute("UPDATE chunk SET owner = ? WHERE id = ?", (partition_id, chunk))
        c.execute("UPDATE unembedded SET owner = ? WHERE chunk = ?", (partition_id, chunk))
        # Caches follow vectors by id: they need new ids in the partition they join.
        for model, data in fetch_all(c, "DELETE FROM vector WHERE chunk = ? RETURNING model, data", (chunk,)):
            c.execute(
                "INSERT INTO vector (owner, chunk, model, data) VALUES (?,?,?,?)", (partition_id, chunk, model, data)
            )
        count(c, before, -1, -length)
        count(c, partition_id, 1, length)
    count_dead_entries(c, len(found))
    return len(found)


def copy_chunks(tx: WriteTx, source: int, to: int, partition_id: int) -> None:
    """Give a copied file its source's chunks and vectors."""
    c = tx.c
    found = fetch_all(
        c,
        'SELECT id, level, kind, start, "end", length, at, speaker, asks, terms, text, traits FROM chunk WHERE node = ? '
        "ORDER BY id",
        (source,),
    )
    previous = 0
    for old, level, kind, start, end, length, at, speaker, asks, terms, text, traits in found:
        c.execute(
            'INSERT INTO chunk (owner, node, version, level, kind, start, "end", length, "group", previous, at, speaker, '
            "asks, terms, text, traits) VALUES (?,?,1,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (partition_id, to, level, kind, start, end, length, to, previous, at, speaker, asks, terms, text, traits),
        )
        previous = c.last_insert_rowid()
        index_chunk(c, previous, partition_id, terms.split())
        c.execute(
            "INSERT INTO vector (owner, chunk, model, data) SELECT ?, ?, model, data FROM vector WHERE chunk = ?",
            (partition_id, previous, old),
        )
        c.execute("INSERT INTO refused SELECT ?, model, why FROM refused WHERE chunk = ?", (previous, old))
        c.execute(
            "INSERT INTO unembedded (chunk, model, owner) SELECT ?, model, ? FROM unembedded WHERE chunk = ?",
            (previous, partition_id, old),
        )
        count(c, partition_id, 1, length)


def should_reclaim(c: apsw.Connection, now: float) -> bool:
    """True when dead full text should be reclaimed: at once where the index is small or a quarter is dead; otherwise daily,
    so that removed words do not stay in the file."""
    meta = dict(fetch_all(c, "SELECT key, value FROM meta WHERE key IN ('fts_dropped', 'fts_reclaimed')"))
    living = fetch_one(c, "SELECT coalesce(sum(chunks), 0) FROM owner")[0]
    due = living <= RECLAIM_SMALL or now - meta.get("fts_reclaimed", 0.0) >= RECLAIM_EVERY_S
    gone = meta.get("fts_dropped", 0)
    return bool(gone > max(RECLAIM_MIN, living // 4) or (gone > 0 and due))


def reclaim(c: apsw.Connection, *, first: bool, now: float) -> bool:
    """One slice of a few milliseconds of merging all full text into one segment without dead entries; False: done."""
    if first:  # what dies from here on may lie in segments that are merged already: it waits for the next time
        c.execute("INSERT OR REPLACE INTO meta SELECT 'fts_reclaiming', value FROM meta WHERE key = 'fts_dropped'")
    before = c.total_changes()
    c.execute("INSERT INTO fts (fts, rank) VALUES ('merge', ?)", (-MERGE_PAGES if first else MERGE_PAGES,))
    if c.total_changes() - before >= 2:  # SQLite's own sign that there was something to merge
        return True
    c.execute(
        "UPDATE meta SET value = value - (SELECT value FROM meta WHERE key = 'fts_reclaiming') WHERE key = 'fts_dropped' "
        "AND EXISTS (SELECT 1 FROM meta WHERE key = 'fts_reclaiming')"
    )
    c.execute("DELETE FROM meta WHERE key = 'fts_reclaiming' OR (key = 'fts_dropped' AND value <= 0)")
    c.execute("INSERT OR REPLACE INTO meta VALUES ('fts_reclaimed', ?)", (now,))
    return False
