"""Moving and copying subtrees, within a partition and from one to another."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from recalld.adapters.sqlite.database.sql import fetch_all, fetch_one
from recalld.domain.commit import Copy, Move
from recalld.domain.errors import Conflict, Invalid
from recalld.domain.job import RepartitionPayload
from recalld.domain.uri import Uri

from . import job_relocation, rows
from .chunks import copy_chunks, repartition_chunks
from .job_queue import enqueue
from .rows import DIRECTORY, Row
from .transaction import WriteTx, existing, required

REPARTITION_INLINE_MAX = 100
"""Chunks re-indexed inside the move's own transaction (about 10 ms); a job does the rest in batches."""
COPY_NODES_MAX = 2_000
COPY_CHUNKS_MAX = 5_000
"""A copy is one transaction, of about half a second at this size."""


def move(tx: WriteTx, op: Move) -> None:
    """See ``commit.Move``."""
    rows.check_no_hidden_peers(tx.caller, op.source)
    found = required(tx, op.source)
    there = existing(tx, op.to)
    if there is not None and there.kind == DIRECTORY and found.kind != DIRECTORY:
        raise Invalid(
            f"{op.to} is a directory", remedy="name the file's new address itself", details={"uri": str(op.to)}
        )
    _check_target(op, there)
    parent = tx.directory(op.to.parent)
    seq = tx.log("move", found.id, op.to, detail={"from": str(op.source), "parent": parent, "name": op.to.name})
    tx.c.execute("UPDATE node SET parent = ?, name = ?, seq = ? WHERE id = ?", (parent, op.to.name, seq, found.id))
    tx.mark_stale(found.parent, op.source.parent)
    tx.mark_stale(parent, op.to.parent)
    job_relocation.follow(tx, op.source, op.to, stay=False)
    partition_id = tx.partition_id(op.to)
    if partition_id != found.partition_id:
        tx.bump_epoch(partition_id, found.partition_id)
        most = REPARTITION_INLINE_MAX + 1
        if repartition(tx, outside_partition(tx.c, found.id, partition_id, most), most) >= most:
            enqueue(tx, RepartitionPayload(found.id).job(f"reown:{found.id}"))
    tx.result.updated.append(op.to)


def _check_target(op: Move | Copy, there: Row | None) -> None:
    if there is not None:
        raise Conflict(
            f"Already exists: {op.to}",
            remedy="choose another target",
            code="ALREADY_EXISTS",
            details={"resource": str(op.to), "type": "file"},
        )
    if op.to.under(op.source):
        raise Invalid(f"{op.to} lies inside {op.source}", remedy="choose a target outside it")


def repartition(tx: WriteTx, nodes: Sequence[int], chunks_max: int) -> int:
    """Bring nodes with up to ``chunks_max`` of their chunks into the partitions of the places they are at now; returns
    how many rows were brought over."""
    paths = rows.PathResolver(tx.c, tx.caller.account)
    done = 0
    for node in nodes:
        found, path = rows.row(tx.c, node), paths.of(node)
        if found is None or path is None or done >= chunks_max:
            continue
        partition_id = tx.partition_id(Uri(path))
        if found.partition_id == partition_id:
            continue
        if not done:
            tx.log("reown", node, Uri(path))
        done += max(repartition_chunks(tx.c, node, partition_id), 1)
        tx.c.execute("UPDATE node SET owner = ?, seq = ? WHERE id = ?", (partition_id, tx.result.seq, node))
        tx.c.execute("UPDATE session SET owner = ? WHERE node = ?", (partition_id, node))
        if found.partition_id == 0 and found.kind == DIRECTORY:
            tx.mark_stale(node, Uri(path))  # restored: its summary's chunks were deleted while it was removed
        tx.bump_epoch(partition_id, found.partition_id)
    return done


def outside_partition(c: apsw.Connection, top: int, partition_id: int, most: int) -> list[int]:
    """Up to ``most`` nodes of a subtree that are in another partition than ``partition_id``."""
    found = c.execute(
        "WITH RECURSIVE s(id, owner) AS (SELECT id, owner FROM node WHERE id = ? UNION ALL SELECT n.id, n.owner "
        "FROM node n JOIN s ON n.parent = s.id WHERE n.gone = 0) SELECT id FROM s WHERE owner <> ? LIMIT ?",
        (top, partition_id, most),
    )
    return [int(node) for (node,) in found]


def to_repartition(c: apsw.Connection, account: str, top: int, most: int) -> list[int]:
    """Nodes below ``top`` that are not yet in the partition of its place."""
    path = rows.PathResolver(c, account).of(top)
    if path is None:
        return []
    return outside_partition(c, top, rows.partition_of(c, account, rows.partition_key(Uri(path))), most)


def exceeds_copy_limits(tx: WriteTx, top: int) -> bool:
    """True if copying a subtree would block other writers for too long."""
    found = fetch_all(
        tx.c,
        "WITH RECURSIVE s(id) AS (SELECT ? UNION ALL SELECT n.id FROM node n JOIN s ON n.parent = s.id WHERE n.gone = 0 "
        "LIMIT ?) SELECT (SELECT count(*) FROM chunk k WHERE k.node = s.id) FROM s",
        (top, COPY_NODES_MAX + 1),
    )
    return len(found) > COPY_NODES_MAX or sum(chunks for (chunks,) in found) > COPY_CHUNKS_MAX


def contains_messages(tx: WriteTx, top: int) -> bool:
    """True if messages or sessions lie in a subtree."""
    found = tx.c.execute(
        "WITH RECURSIVE s(id, kind) AS (SELECT id, kind FROM node WHERE id = ? UNION ALL SELECT n.id, n.kind "
        "FROM node n JOIN s ON n.parent = s.id WHERE n.gone = 0) "
        "SELECT 1 FROM s WHERE kind = 2 OR id IN (SELECT node FROM session) LIMIT 1",
        (top,),
    )
    return bool(found.fetchall())


def copy(tx: WriteTx, op: Copy) -> None:
    """See ``commit.Copy``."""
    rows.check_no_hidden_peers(tx.caller, op.source)
    found = required(tx, op.source)
    if found.kind == DIRECTORY and not op.recursive:
        raise Conflict(f"{op.source} is a directory", remedy="copy it with recursive", code="FAILED_PRECONDITION")
    _check_target(op, existing(tx, op.to))
    if exceeds_copy_limits(tx, found.id):
        raise Invalid(
            f"{op.source} holds too much to copy at once",
            remedy=f"copy directories of at most {COPY_NODES_MAX} entries and {COPY_CHUNKS_MAX} chunks, part by part",
        )
    if contains_messages(tx, found.id):
        raise Conflict(
            f"{op.source} holds recorded talk, which is said once",
            remedy="copy memories or resources; export the session instead",
            code="FAILED_PRECONDITION",
        )
    todo = [(found, op.to, tx.directory(op.to.parent))]
    while todo:
        one, to, parent = todo.pop()
        node = _copy_one(tx, one, to, parent)
        for (below,) in fetch_all(tx.c, "SELECT name FROM node WHERE parent = ? AND gone = 0", (one.id,)):
            entry = rows.child(tx.c, one.id, below)
            if entry is not None:
                todo.append((entry, to / below, node))
    tx.mark_stale(tx.directory(op.to.parent), op.to.parent)
    job_relocation.follow(tx, op.source, op.to, stay=True)
    tx.result.created.append(op.to)


def _copy_one(tx: WriteTx, one: Row, to: Uri, parent: int) -> int:
    size, media, event_at, speaker = fetch_one(
        tx.c, "SELECT size, media, event_at, speaker FROM node WHERE id = ?", (one.id,)
    )
    node = tx.insert(
        parent,
        to,
        one.kind,
        hash=one.hash,
        size=size,
        media=media,
        event_at=event_at,
        speaker=speaker,
        tags=one.tags,
        source=one.source,
    )
    tx.c.execute("INSERT INTO tier SELECT ?, 1, abstract, overview, made_by FROM tier WHERE node = ?", (node, one.id))
    if one.kind == DIRECTORY:
        tx.mark_stale(node, to)
    else:
        copy_chunks(tx, one.id, node, tx.partition_id(to))
    return node
