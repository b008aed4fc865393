"""What background work reads and cleans: stale directories, chunks to embed, tombstones, consistency."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import orjson

from recalld.adapters.sqlite.database.append_streams import drop_versions
from recalld.adapters.sqlite.database.schema import SCHEMA_VERSION
from recalld.adapters.sqlite.database.sql import fetch_all, fetch_one
from recalld.domain.caller import Caller
from recalld.domain.commit import PutVectors
from recalld.domain.errors import Invalid
from recalld.domain.node import Node
from recalld.domain.uri import Uri
from recalld.ports.maintenance import ChunkRow, FileSizes, StaleDir, Usage, VectorModel
from recalld.rules.encoding import decode

from . import rows, vector_coverage
from .message_rows import text_to_embed
from .rows import SELECT_NODE
from .snapshots import NEEDED
from .transaction import WriteTx
from .trash import SUBTREE_CTE
from .tree_queries import NOT_MESSAGES, content

STALE_SCANNED_MAX = 5_000
OLDEST_SHARE = 4
BACKFILL_PAGE = 500


def stale_dirs(c: apsw.Connection, caller: Caller, limit: int, entries_max: int) -> list[StaleDir]:
    partition_id = rows.partition_of(c, caller.account, caller.user)
    paths = rows.PathResolver(c, caller.account)
    found: list[tuple[int, tuple[str, ...], int, int]] = []
    # What was removed stays stale until it is purged: it must not take the place of what lives.
    for node, stale in c.execute(
        "SELECT id, stale FROM node WHERE owner = ? AND stale > 0 AND gone = 0 ORDER BY id DESC", (partition_id,)
    ):
        path = paths.of(node)
        if path is not None:
            found.append((len(path), path, node, stale))
            if len(found) == STALE_SCANNED_MAX:
                break
    found.sort(key=lambda f: (-f[0], f[1]))
    return [_stale_dir(c, node, Uri(path), stale, entries_max) for _, path, node, stale in found[:limit]]


def _stale_dir(c: apsw.Connection, node: int, uri: Uri, stale: int, entries_max: int) -> StaleDir:
    shown = f"n.parent = ? AND n.gone = 0 AND n.name NOT LIKE '.%' AND {NOT_MESSAGES}"
    total = fetch_one(c, f"SELECT count(*) FROM node n WHERE {shown}", (node,))[0]
    entries = tuple(
        rows.node_from(v, Uri((*uri.parts, v[1])))
        for v in c.execute(f"{SELECT_NODE} WHERE {shown} ORDER BY n.kind <> 0, n.name LIMIT ?", (node, entries_max))
    )
    return StaleDir(rows.load(c, node, uri), stale, entries, total, rows.tiers(c, node))


def tiered(c: apsw.Connection, caller: Caller, node: int, entries_max: int) -> StaleDir | None:
    found = node_by_id(c, caller, node)
    if found is None:
        return None
    (stale,) = fetch_one(c, "SELECT stale FROM node WHERE id = ?", (node,))
    return _stale_dir(c, node, found.uri, stale, entries_max)


def node_by_id(c: apsw.Connection, caller: Caller, node: int) -> Node | None:
    """A living node of the caller's account."""
    path = rows.PathResolver(c, caller.account).of(node)
    if path is None or not rows.may_see(caller, Uri(path)):
        return None
    return rows.load(c, node, Uri(path))


def node_with_content(c: apsw.Connection, caller: Caller, node_id: int) -> tuple[Node, bytes | None] | None:
    """The same with its bytes (None: they lie in the blob store)."""
    node = node_by_id(c, caller, node_id)
    return None if node is None else (node, content(c, node))


_UNEMBEDDED = (
    'SELECT k.id, k.node, k.level, k.start, k."end", k.text, n.kind, n.hash FROM unembedded u JOIN chunk k ON k.id = u.chunk '
    "JOIN node n ON n.id = k.node WHERE u.owner = ? AND u.model = (SELECT id FROM model WHERE fingerprint = ?) "
)


def unembedded(c: apsw.Connection, caller: Caller, fingerprint: str, limit: int) -> list[tuple[Any, ...]]:
    """(chunk, node, level, start, end, text or None, kind, hash) of chunks to embed, newest first. If there are more than
    ``limit``, a quarter are the oldest, so that a steady stream of new chunks does not starve them."""
    partition_id = rows.partition_of(c, caller.account, caller.user)
    found = fetch_all(c, f"{_UNEMBEDDED} ORDER BY u.chunk DESC LIMIT ?", (partition_id, fingerprint, limit))
    if len(found) < limit:
        return found
    oldest = fetch_all(c, f"{_UNEMBEDDED} ORDER BY u.chunk LIMIT ?", (partition_id, fingerprint, limit // OLDEST_SHARE))
    newest = found[: limit - len(oldest)]
    return newest + [row for row in reversed(oldest) if not newest or row[0] < newest[-1][0]]


def in_blob_store(c: apsw.Connection, hashes: set[str]) -> list[str]:
    """Those of them whose bytes lie in the blob store."""
    return [
        h
        for h in hashes
        if fetch_all(
            c,
            "SELECT 1 FROM blob WHERE hash = ?1 AND data IS NULL AND size > 0 UNION ALL SELECT 1 FROM grown WHERE hash = ?1",
            (h,),
        )
    ]


def chunk_rows(c: apsw.Connection, found: list[tuple[Any, ...]], blobs: dict[str, bytes]) -> list[ChunkRow]:
    """The chunks' texts, each node's text read once. ``blobs``: bytes from the blob store."""
    texts: dict[tuple[int, bool], str] = {}
    result = []
    for chunk, node, level, start, end, own, kind, hash_ in found:
        if own is not None:
            result.append(ChunkRow(chunk, node, level, own))
            continue
        key = (node, level < 2)
        if key not in texts:
            texts[key] = "" if level < 2 else _text(c, node, kind, hash_, blobs)
        text = _tier_text(c, node, level) if level < 2 else texts[key][start:end]
        result.append(ChunkRow(chunk, node, level, text))
    return result


def _tier_text(c: apsw.Connection, node: int, level: int) -> str:
    found = c.execute("SELECT abstract, overview FROM tier WHERE node = ?", (node,)).fetchone()
    return str(found[level]) if found else ""


def _text(c: apsw.Connection, node: int, kind: int, hash_: str, blobs: dict[str, bytes]) -> str:
    if kind == rows.MESSAGE:
        return text_to_embed(c, node)
    if hash_ in blobs:
        return decode(blobs[hash_]).text
    found = c.execute("SELECT data FROM blob WHERE hash = ?", (hash_,)).fetchone()
    if not found or found[0] is None or hashlib.sha256(found[0]).hexdigest() != hash_:
        return ""  # damaged: reads report it, and no wrong text is embedded
    return decode(bytes(found[0])).text


def put_vectors(tx: WriteTx, op: PutVectors) -> None:
    """See ``commit.PutVectors``."""
    found = tx.c.execute(
        "SELECT id, width FROM model WHERE fingerprint = ? AND place > 0", (op.fingerprint,)
    ).fetchone()
    if found is None:
        tx.result.stale += len(op.rows)
        return
    model, width = found
    for one in op.rows:
        if len(one.data) != 2 * width:
            raise Invalid(
                f"a vector of {op.fingerprint} has {len(one.data) // 2} numbers, not {width}",
                remedy="the model does not do what its settings say: correct its width",
            )
    chunks = orjson.dumps([one.chunk_id for one in op.rows]).decode()
    tx.c.execute(
        "INSERT OR REPLACE INTO vector (owner, chunk, model, data) SELECT k.owner, k.id, ?1, substr(?2, 1 + w.key * ?3, ?3) "
        "FROM json_each(?4) w JOIN chunk k ON k.id = w.value ORDER BY w.key",
        (model, b"".join(one.data for one in op.rows), 2 * width, chunks),
    )
    tx.result.stale += len(op.rows) - tx.c.changes()
    vector_coverage.note_refused(tx.c, model, op.rows)
    tx.c.execute(
        "DELETE FROM unembedded WHERE model = ? AND chunk IN (SELECT value FROM json_each(?))", (model, chunks)
    )


def drop_vectors(c: apsw.Connection, limit: int) -> int:
    """Delete some vectors of models out of use; returns how many. Without any model they stay: the choice may be for a while."""
    c.execute(
        "DELETE FROM vector WHERE id IN (SELECT v.id FROM model m JOIN vector v ON v.model = m.id WHERE m.place = 0 "
        "AND EXISTS (SELECT 1 FROM model WHERE place > 0) LIMIT ?)",
        (limit,),
    )
    return int(c.changes())


def configure_models(c: apsw.Connection, models: Sequence[VectorModel]) -> bool:
    """Name the models every chunk needs a vector of; True if chunks are still to be listed for one."""
    for place, model in enumerate(models, 1):
        c.execute(
            "INSERT INTO model (fingerprint, width, name, place, listed_to) VALUES (?, ?, ?, ?, 0) ON CONFLICT (fingerprint) "
            "DO UPDATE SET listed_to = CASE WHEN place = 0 THEN 0 ELSE listed_to END, name = excluded.name, place = excluded.place",
            (model.fingerprint, model.width, model.name, place),
        )
    configured = orjson.dumps([model.fingerprint for model in models]).decode()
    c.execute(
        "UPDATE model SET place = 0, listed_to = NULL WHERE fingerprint NOT IN (SELECT value FROM json_each(?))",
        (configured,),
    )
    c.execute("DELETE FROM unembedded WHERE model IN (SELECT id FROM model WHERE place = 0)")
    return is_listing(c)


def is_listing(c: apsw.Connection) -> bool:
    """Return True while chunks are being listed for a model."""
    return bool(fetch_all(c, "SELECT 1 FROM model WHERE listed_to IS NOT NULL"))


def list_unembedded(c: apsw.Connection, limit: int) -> bool:
    """List the next page of chunks that lack a model's vector; False: there is no more to list.

    The position is stored with the page, so that a restart continues there.
    """
    found = fetch_all(c, "SELECT id, listed_to FROM model WHERE listed_to IS NOT NULL ORDER BY place LIMIT 1")
    if not found:
        return False
    model, after = found[0]
    page = [k for (k,) in c.execute("SELECT id FROM chunk WHERE id > ? ORDER BY id LIMIT ?", (after, limit))]
    last = page[-1] if page else None
    c.execute(
        "INSERT OR IGNORE INTO unembedded (chunk, model, owner) SELECT k.id, ?1, k.owner FROM chunk k WHERE k.id > ?2 "
        "AND k.id <= ?3 AND NOT EXISTS (SELECT 1 FROM vector v WHERE v.chunk = k.id AND v.model = ?1)",
        (model, after, last),
    )
    c.execute("UPDATE model SET listed_to = ? WHERE id = ?", (last, model))
    return True


def unembedded_partitions(c: apsw.Connection) -> list[Caller]:
    """Every partition with a chunk that lacks a vector."""
    lacks = "EXISTS (SELECT 1 FROM model m JOIN unembedded u ON u.model = m.id AND u.owner = o.id)"
    return [Caller(account, user) for account, user in c.execute(f"SELECT account, user FROM owner o WHERE {lacks}")]


def partitions(c: apsw.Connection) -> list[Caller]:
    """Every partition as a caller."""
    return [Caller(account, user) for account, user in c.execute("SELECT account, user FROM owner ORDER BY id")]


_HAS_FIRST_CHUNK = """
SELECT 1 FROM (SELECT k.previous FROM chunk k WHERE k.node = s.id AND k.level = 2 ORDER BY k.id LIMIT 1) f
WHERE f.previous = 0 OR EXISTS (SELECT 1 FROM chunk p WHERE p.id = f.previous)"""
"""True of a node whose first chunk exists. Chunks are deleted from the first on, so a chunk without its predecessor is left
over from an interrupted deletion."""


def unindexed(c: apsw.Connection, caller: Caller, uri: Uri, after: int, limit: int) -> list[Node]:
    """Files and messages at and below ``uri`` without a chunk of their text, or with a part of them alone, with
    id > ``after``, in id order."""
    rows.check_access(caller, uri)
    top = rows.find(c, caller.account, uri)
    if not top:
        raise rows.missing(uri)
    found = fetch_all(
        c,
        f"{SUBTREE_CTE} SELECT id FROM s WHERE kind <> 0 AND id > ?2 AND NOT EXISTS ({_HAS_FIRST_CHUNK}) ORDER BY id LIMIT ?3",
        (top, after, limit),
    )
    paths = rows.PathResolver(c, caller.account)
    placed = [(node, paths.of(node)) for (node,) in found]
    return [rows.load(c, node, Uri(path)) for node, path in placed if path is not None and not rows.is_private(path)]


def unreferenced_contents(c: apsw.Connection, before: float, limit: int) -> tuple[list[str], int]:
    """Hashes that no node has, that no log entry since ``before`` names, and that no snapshot may need
    (``snapshots.NEEDED``), with the log's end. Entries of erased nodes do not count."""
    (end,) = fetch_one(c, "SELECT coalesce(max(seq), 0) FROM log")
    recent = "FROM log WHERE at >= :before AND EXISTS (SELECT 1 FROM node WHERE id = log.node)"
    sql = (
        f"WITH {NEEDED} SELECT * FROM (SELECT hash FROM blob UNION ALL SELECT hash FROM grown) EXCEPT SELECT hash FROM node "
        f"EXCEPT SELECT base FROM stream WHERE base <> '' EXCEPT SELECT after {recent} "
        f"EXCEPT SELECT before {recent} EXCEPT SELECT after FROM needed LIMIT :limit"
    )
    return [h for (h,) in c.execute(sql, {"before": before, "limit": limit})], int(end)


def drop_contents(c: apsw.Connection, found: tuple[list[str], int], now: float) -> int:
    """Delete unreferenced contents; skip any that have become referenced again. Returns how many were deleted.

    Those stored in the blob folder are listed for deletion there.
    """
    named = {h for pair in fetch_all(c, "SELECT before, after FROM log WHERE seq > ?", (found[1],)) for h in pair}
    hashes = [h for h in found[0] if h not in named]
    gone = drop_versions(c, hashes)
    for hash_ in hashes:
        dropped = fetch_all(
            c,
            "DELETE FROM blob WHERE hash = ? AND NOT EXISTS (SELECT 1 FROM node WHERE hash = blob.hash AND hash <> '') "
            "AND NOT EXISTS (SELECT 1 FROM stream WHERE base = blob.hash AND base <> '') RETURNING data IS NULL",
            (hash_,),
        )
        if dropped and dropped[0][0]:
            c.execute("INSERT OR REPLACE INTO released VALUES (?, ?)", (hash_, now))
        gone += len(dropped)
    return gone


def drop_ended_tasks(c: apsw.Connection, ended_before: float, failed_before: float) -> int:
    """Drop tasks that ended long ago (failed ones are kept longer); returns how many."""
    c.execute(
        "DELETE FROM task WHERE (status IN ('completed', 'cancelled') AND updated < ?) OR (status = 'failed' AND updated < ?)",
        (ended_before, failed_before),
    )
    return int(c.changes())


def assign_store_id(c: apsw.Connection) -> None:
    """Give a new store its id."""
    c.execute("INSERT OR IGNORE INTO meta VALUES ('store_id', ?)", (secrets.token_hex(16),))


_NODES = """
SELECT (SELECT count(*) FROM node WHERE owner <> 0) - (SELECT count(*) FROM node WHERE gone > 0 AND owner <> 0),
  (SELECT count(*) FROM message) - (SELECT count(*) FROM node WHERE owner = 0 AND kind = 2)
    - (SELECT count(*) FROM node WHERE gone > 0 AND owner <> 0 AND kind = 2)"""
"""Living nodes, and messages among them: all that there are without those in the trash, from indexes alone. The rows of all nodes
are many times as long."""


def usage(c: apsw.Connection, path: Path) -> Usage:

    def one(sql: str) -> Any:
        return fetch_one(c, sql)[0]

    nodes, messages = fetch_one(c, _NODES)
    wal = path.with_name(path.name + "-wal")
    return Usage(
        nodes=nodes,
        chunks=one("SELECT coalesce(sum(chunks), 0) FROM owner"),
        vectors=one("SELECT count(*) FROM vector"),
        embedded=vector_coverage.count(c),
        messages=messages,
        sessions=one("SELECT count(*) FROM session WHERE owner <> 0"),
        log_seq=one("SELECT coalesce(max(seq), 0) FROM log"),
        files=FileSizes(path.stat().st_size, wal.stat().st_size if wal.exists() else 0, SCHEMA_VERSION),
        blob_bytes=one("SELECT coalesce(sum(size), 0) FROM blob WHERE data IS NULL"),
        store_id=one("SELECT value FROM meta WHERE key = 'store_id'"),
        partitions={f"{a}/{u}": n for a, u, n in c.execute("SELECT account, user, chunks FROM owner")},
    )
