"""What the catalog reads from the store: numbers packed by SQLite itself, so that no Python loop meets a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import apsw
import numpy as np

from .arrays import Column

PAGE_ROWS = 2_000
"""Parsing a page holds the interpreter: a few milliseconds at most."""
NAMED = ("memories", "skills")

NODE_COLUMNS = ("id", "parent", "kind", "gone", "version", "seq", "created", "updated")
CHUNK_COLUMNS = ("id", "node", "version", "level", "kind", "length", "group", "previous", "at", "asks")


@dataclass(frozen=True, slots=True)
class OwnerRow:
    """An index space and how far the store has come in it (``seq`` of its nodes, ``chunk`` id)."""

    id: int
    epoch: int
    seq: int
    chunk: int


@dataclass(frozen=True, slots=True)
class NodePage:
    """Changed nodes: numeric columns, and per id what only few have (names that matter, tags, talk files' names)."""

    columns: dict[str, Column]
    named: dict[str, Column]
    tags: dict[int, str]
    talk: dict[int, str]


@dataclass(frozen=True, slots=True)
class ChunkPage:
    """New chunks: numeric columns, and the ids each speaker said."""

    columns: dict[str, Column]
    speakers: dict[str, Column]


def owner_of(c: apsw.Connection, account: str, user: str) -> OwnerRow | None:
    """The index space of a user (or of the account for user "")."""
    row = c.execute(
        "SELECT id, epoch, coalesce((SELECT max(seq) FROM node WHERE owner = o.id), 0), "
        "coalesce((SELECT max(id) FROM chunk WHERE owner = o.id), 0) FROM owner o WHERE account = ? AND user = ?",
        (account, user),
    ).fetchone()
    return OwnerRow(*row) if row else None


def nodes_after(c: apsw.Connection, owner: int, seq: int, node: int) -> NodePage | None:
    """The next page of nodes in order of (seq, id) after this place; None at the end."""
    span = "owner = :owner AND (seq, id) > (:seq, :id)"
    at = {"owner": owner, "seq": seq, "id": node, "most": PAGE_ROWS}
    columns = _numbers(
        c,
        NODE_COLUMNS,
        f"SELECT {_quoted(NODE_COLUMNS)} FROM node WHERE {span} ORDER BY seq, id LIMIT :most",
        at,
    )
    if columns is None:
        return None
    upto = {**at, "seq_end": int(columns["seq"][-1]), "id_end": int(columns["id"][-1])}
    span += " AND (seq, id) <= (:seq_end, :id_end)"
    named = {
        name: np.fromstring(ids, dtype=np.int64, sep=",")
        for name, ids in c.execute(
            f"SELECT name, group_concat(id) FROM node WHERE {span} AND name IN {NAMED} GROUP BY name", upto
        )
    }
    tags = dict(c.execute(f"SELECT id, tags FROM node WHERE {span} AND tags <> '[]'", upto))
    talk = dict(c.execute(f"SELECT id, name FROM node WHERE {span} AND kind = 1 AND speaker <> ''", upto))
    return NodePage(columns, named, tags, talk)


def chunks_after(c: apsw.Connection, owner: int, chunk: int) -> ChunkPage | None:
    """The next page of chunks with larger ids; None at the end."""
    at = {"owner": owner, "id": chunk, "most": PAGE_ROWS}
    columns = _numbers(
        c,
        CHUNK_COLUMNS,
        f"SELECT {_quoted(CHUNK_COLUMNS)} FROM chunk WHERE owner = :owner AND id > :id ORDER BY id LIMIT :most",
        at,
    )
    if columns is None:
        return None
    node = columns["node"]
    if len(node) == PAGE_ROWS and node[0] != node[-1]:
        whole = int(np.flatnonzero(node != node[-1])[-1]) + 1  # a node's chunks stay together
        columns = {name: column[:whole] for name, column in columns.items()}
    said = c.execute(
        "SELECT speaker, group_concat(id) FROM chunk WHERE owner = :owner AND id > :id AND id <= :last AND speaker <> '' "
        "GROUP BY speaker",
        {**at, "last": int(columns["id"][-1])},
    )
    return ChunkPage(columns, {name: np.fromstring(ids, dtype=np.int64, sep=",") for name, ids in said})


def orphans_alive(c: apsw.Connection, parents: Sequence[int]) -> dict[int, bool]:
    """For directories outside an owner's own rows: whether their chain of parents is whole up to the root."""
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


def node_at(c: apsw.Connection, account: str, parts: Sequence[str]) -> int:
    """Id of the node at an address, 0 if there is none."""
    node = _child(c, 0, account)
    for part in parts:
        if not node:
            return 0
        node = _child(c, node, part)
    return node


def _child(c: apsw.Connection, parent: int, name: str) -> int:
    row = c.execute("SELECT id FROM node WHERE parent = ? AND name = ? AND gone = 0", (parent, name)).fetchone()
    return int(row[0]) if row else 0


def _numbers(
    c: apsw.Connection, names: Sequence[str], query: str, bindings: dict[str, int]
) -> dict[str, Column] | None:
    packed = " || ',' || ".join(f'"{name}"' for name in names)
    row = c.execute(f"SELECT group_concat({packed}) FROM ({query})", bindings).fetchone()
    if row is None or row[0] is None:
        return None
    # float64 holds every integer below 2**53 exactly, and epoch seconds to the microsecond.
    values = np.fromstring(row[0], dtype=np.float64, sep=",").reshape(-1, len(names))
    return {name: values[:, k] for k, name in enumerate(names)}


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
