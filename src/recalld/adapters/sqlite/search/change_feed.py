"""Changes the catalog reads from the store. SQLite packs the numbers, so that no Python code loops over rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import apsw
import numpy as np
import orjson

from recalld.adapters.sqlite.database.sql import fetch_one

from .arrays import Column, Ids

PAGE_ROWS = 2_000
"""Parsing a page holds the GIL for a few milliseconds at most."""
FLAGGED_NAMES = ("memories", "skills")

NODE_COLUMNS = ("id", "parent", "kind", "gone", "version", "kept", "seq", "created", "updated")
CHUNK_COLUMNS = ("id", "node", "version", "level", "kind", "length", "group", "previous", "at", "asks", "traits")


def _packed(names: Sequence[str]) -> str:
    return "group_concat(" + " || ',' || ".join(f'"{name}"' for name in names) + ")"


# One statement and one row a page: each call into SQLite releases and re-acquires the GIL.
_PARTITIONS = """
SELECT json_group_array(json_array(o.account, o.user, o.id, o.epoch,
  (SELECT coalesce(max(seq), 0) FROM node WHERE owner = o.id), (SELECT coalesce(max(id), 0) FROM chunk WHERE owner = o.id),
  (SELECT coalesce(max(id), 0) FROM (SELECT id FROM node WHERE owner = o.id ORDER BY seq DESC, id DESC LIMIT 1))))
FROM json_each(?) w JOIN owner o ON o.account = w.value ->> 0 AND o.user = w.value ->> 1"""
_NODE_PAGE = f"""
WITH page AS MATERIALIZED (
  SELECT {", ".join(NODE_COLUMNS)}, name, tags, speaker FROM node
  WHERE owner = :owner AND (seq, id) > (:seq, :id) ORDER BY seq, id LIMIT :most)
SELECT (SELECT {_packed(NODE_COLUMNS)} FROM page),
  (SELECT json_group_object(name, ids) FROM
    (SELECT name, group_concat(id) ids FROM page WHERE name IN {FLAGGED_NAMES} GROUP BY name)),
  (SELECT json_group_array(json_array(id, tags)) FROM page WHERE tags <> '[]'),
  (SELECT json_group_array(json_array(id, name)) FROM page WHERE kind = 1 AND speaker <> ''),
  (SELECT group_concat(p.id || ',' || k.id) FROM page p JOIN chunk k ON k.node = p.id WHERE p.kept)"""
_CHUNK_PAGE = f"""
WITH page AS MATERIALIZED (
  SELECT {", ".join(f'"{name}"' for name in CHUNK_COLUMNS)}, speaker FROM chunk
  WHERE owner = :owner AND id > :id ORDER BY id LIMIT :most)
SELECT (SELECT {_packed(CHUNK_COLUMNS)} FROM page),
  (SELECT json_group_object(speaker, ids) FROM
    (SELECT speaker, group_concat(id) ids FROM page WHERE speaker <> '' GROUP BY speaker))"""


@dataclass(frozen=True, slots=True)
class PartitionRow:
    """A partition and the store's position in it: ``seq`` of its last changed nodes, the last ``node`` with that seq (all
    nodes of a move share one), and the last ``chunk`` id."""

    id: int
    epoch: int
    seq: int
    chunk: int
    node: int = 0


@dataclass(frozen=True, slots=True)
class NodePage:
    """Changed nodes: numeric columns, and sparse values by id (flagged names, tags, names of turn files).

    ``live_chunks``: (node, chunk) pairs of the nodes that list their chunks.
    """

    columns: dict[str, Column]
    named: dict[str, Column]
    tags: dict[int, str]
    turn_names: dict[int, str]
    live_chunks: Ids


@dataclass(frozen=True, slots=True)
class ChunkPage:
    """New chunks: numeric columns, and the chunk ids of each speaker. ``cut``: all are of one node, which has more."""

    columns: dict[str, Column]
    speakers: dict[str, Column]
    cut: bool = False


def partitions_of(c: apsw.Connection, users: Sequence[tuple[str, str]]) -> dict[tuple[str, str], PartitionRow]:
    """Return the partitions of (account, user), user "" for the account's shared one. Missing partitions are left out."""
    found = orjson.loads(fetch_one(c, _PARTITIONS, (orjson.dumps(users).decode(),))[0])
    return {(account, user): PartitionRow(*row) for account, user, *row in found}


def nodes_after(c: apsw.Connection, partition_id: int, seq: int, node: int) -> NodePage | None:
    """Return the next page of nodes in order of (seq, id); None at the end."""
    at = {"owner": partition_id, "seq": seq, "id": node, "most": PAGE_ROWS}
    packed, named, tags, turn_names, live_chunks = fetch_one(c, _NODE_PAGE, at)
    if packed is None:
        return None
    return NodePage(
        _numbers(packed, NODE_COLUMNS),
        _ids_by_text(named),
        {int(id_): text for id_, text in orjson.loads(tags)},
        {int(id_): text for id_, text in orjson.loads(turn_names)},
        np.fromstring(live_chunks or "", dtype=np.int64, sep=",").reshape(-1, 2),
    )


def chunks_after(c: apsw.Connection, partition_id: int, chunk: int) -> ChunkPage | None:
    """Return the next page of chunks with larger ids; None at the end."""
    packed, speakers = fetch_one(c, _CHUNK_PAGE, {"owner": partition_id, "id": chunk, "most": PAGE_ROWS})
    if packed is None:
        return None
    columns = _numbers(packed, CHUNK_COLUMNS)
    node = columns["node"]
    full = len(node) == PAGE_ROWS
    if full and node[0] != node[-1]:
        whole = int(np.flatnonzero(node != node[-1])[-1]) + 1  # never split a node's chunks
        columns = {name: column[:whole] for name, column in columns.items()}
    return ChunkPage(columns, _ids_by_text(speakers), cut=full and bool(node[0] == node[-1]))


def existing_nodes(c: apsw.Connection, nodes: Sequence[int]) -> Column:
    """Return which of these nodes still have a row: a removed node keeps it until it is purged."""
    (packed,) = fetch_one(
        c,
        "SELECT group_concat(n.id) FROM json_each(?) w JOIN node n ON n.id = w.value",
        (orjson.dumps(nodes).decode(),),
    )
    return np.array(orjson.loads(f"[{packed or ''}]"), np.int64)


def anchored_parents(c: apsw.Connection, parents: Sequence[int]) -> dict[int, bool]:
    """Return, for directories outside a partition, whether their chain of parents is alive up to the root."""
    found: dict[int, bool] = {}
    for start in parents:
        chain = c.execute(
            "WITH RECURSIVE up(id, parent, gone) AS (SELECT id, parent, gone FROM node WHERE id = ? "
            "UNION ALL SELECT n.id, n.parent, n.gone FROM up JOIN node n ON n.id = up.parent) "
            "SELECT max(gone), min(parent) FROM up",
            (start,),
        ).fetchone()
        found[start] = start == 0 or (chain is not None and chain[0] == 0 and chain[1] == 0)
    return found


def _numbers(packed: str, names: Sequence[str]) -> dict[str, Column]:
    # float64 holds every integer below 2**53 exactly, and epoch seconds to the microsecond. numpy's own parser would take
    # the GIL for each number.
    values = np.array(orjson.loads(f"[{packed}]"), np.float64).reshape(-1, len(names))
    return {name: values[:, k] for k, name in enumerate(names)}


def _ids_by_text(packed: str) -> dict[str, Column]:
    return {text: np.fromstring(ids, dtype=np.int64, sep=",") for text, ids in orjson.loads(packed).items()}
