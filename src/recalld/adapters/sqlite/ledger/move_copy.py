"""Moving and copying subtrees, within an index space and from one to another."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from recalld.adapters.sqlite.database.sql import every, only
from recalld.domain.commit import Copy, Move
from recalld.domain.errors import Conflict, Invalid
from recalld.domain.job import NewJob
from recalld.domain.uri import Uri

from . import job_relocation, rows
from .chunks import copy_chunks, repartition_chunks
from .job_queue import enqueue
from .rows import DIRECTORY, Row
from .transaction import Pen, existing

REOWN_AT_ONCE = 100
"""A move brings this many chunks over itself, some ten milliseconds of the writer; a job does the rest in slices."""
COPY_NODES_MAX = 2_000
COPY_CHUNKS_MAX = 5_000
"""A copy is one transaction: about half a second for as much as this."""


def move(pen: Pen, op: Move) -> None:
    """See ``commit.Move``."""
    rows.check_whole(pen.caller, op.source)
    found = existing(pen, op.source)
    if found is None:
        raise rows.missing(op.source)
    there = existing(pen, op.to)
    if there is not None and there.kind == DIRECTORY and found.kind != DIRECTORY:
        raise Invalid(
            f"{op.to} is a directory", remedy="name the file's new address itself", details={"uri": str(op.to)}
        )
    if there is not None:
        raise Conflict(
            f"Already exists: {op.to}",
            remedy="choose another target",
            code="ALREADY_EXISTS",
            details={"resource": str(op.to), "type": "file"},
        )
    if op.to.under(op.source):
        raise Invalid(f"{op.to} lies inside {op.source}", remedy="choose a target outside it")
    parent = pen.directory(op.to.parent)
    seq = pen.log("move", found.id, op.to, detail={"from": str(op.source), "parent": parent, "name": op.to.name})
    pen.c.execute("UPDATE node SET parent = ?, name = ?, seq = ? WHERE id = ?", (parent, op.to.name, seq, found.id))
    pen.mark_stale(found.parent, op.source.parent)
    pen.mark_stale(parent, op.to.parent)
    job_relocation.follow(pen, op.source, op.to, stay=False)
    partition_id = pen.partition_id(op.to)
    if partition_id != found.partition_id:
        pen.bump_epoch(partition_id, found.partition_id)
        if reown(pen, foreign(pen.c, found.id, partition_id, REOWN_AT_ONCE + 1), REOWN_AT_ONCE + 1) > REOWN_AT_ONCE:
            enqueue(pen, NewJob("reown", f"reown:{found.id}", {"node": found.id}))
    pen.outcome.updated.append(op.to)


def reown(pen: Pen, nodes: Sequence[int], chunks_max: int) -> int:
    """Bring nodes with up to ``chunks_max`` of their chunks into the index spaces of the places they are at now; returns
    how many rows were brought over."""
    paths = rows.Paths(pen.c, pen.caller.account)
    done = 0
    for node in nodes:
        found, path = rows.row(pen.c, node), paths.of(node)
        if found is None or path is None or done >= chunks_max:
            continue
        partition_id = pen.partition_id(Uri(path))
        if found.partition_id == partition_id:
            continue
        if not done:
            pen.log("reown", node, Uri(path))
        done += max(repartition_chunks(pen.c, node, partition_id), 1)
        pen.c.execute("UPDATE node SET owner = ?, seq = ? WHERE id = ?", (partition_id, pen.outcome.seq, node))
        pen.c.execute("UPDATE session SET owner = ? WHERE node = ?", (partition_id, node))
        if found.partition_id == 0 and found.kind == DIRECTORY:
            pen.mark_stale(node, Uri(path))  # restored: its summary's chunks were deleted while it was removed
        pen.bump_epoch(partition_id, found.partition_id)
    return done


def foreign(c: apsw.Connection, top: int, partition_id: int, most: int) -> list[int]:
    """Up to ``most`` nodes of a subtree that are in another index space than ``partition_id``."""
    found = c.execute(
        "WITH RECURSIVE s(id, owner) AS (SELECT id, owner FROM node WHERE id = ? UNION ALL SELECT n.id, n.owner "
        "FROM node n JOIN s ON n.parent = s.id WHERE n.gone = 0) SELECT id FROM s WHERE owner <> ? LIMIT ?",
        (top, partition_id, most),
    )
    return [int(node) for (node,) in found]


def left_behind(c: apsw.Connection, account: str, top: int, most: int) -> list[int]:
    """Nodes below ``top`` that are not yet in the index space of its place."""
    path = rows.Paths(c, account).of(top)
    if path is None:
        return []
    return foreign(c, top, rows.partition_of(c, account, rows.partition_key(Uri(path))), most)


def too_much(pen: Pen, top: int) -> bool:
    """True if copying a subtree would hold up every other writer."""
    found = every(
        pen.c,
        "WITH RECURSIVE s(id) AS (SELECT ? UNION ALL SELECT n.id FROM node n JOIN s ON n.parent = s.id WHERE n.gone = 0 "
        "LIMIT ?) SELECT (SELECT count(*) FROM chunk k WHERE k.node = s.id) FROM s",
        (top, COPY_NODES_MAX + 1),
    )
    return len(found) > COPY_NODES_MAX or sum(chunks for (chunks,) in found) > COPY_CHUNKS_MAX


def holds_talk(pen: Pen, top: int) -> bool:
    """True if recorded messages or sessions lie in a subtree."""
    found = pen.c.execute(
        "WITH RECURSIVE s(id, kind) AS (SELECT id, kind FROM node WHERE id = ? UNION ALL SELECT n.id, n.kind "
        "FROM node n JOIN s ON n.parent = s.id WHERE n.gone = 0) "
        "SELECT 1 FROM s WHERE kind = 2 OR id IN (SELECT node FROM session) LIMIT 1",
        (top,),
    )
    return bool(found.fetchall())


def copy(pen: Pen, op: Copy) -> None:
    """See ``commit.Copy``."""
    rows.check_whole(pen.caller, op.source)
    found = existing(pen, op.source)
    if found is None:
        raise rows.missing(op.source)
    if found.kind == DIRECTORY and not op.recursive:
        raise Conflict(f"{op.source} is a directory", remedy="copy it with recursive", code="FAILED_PRECONDITION")
    if existing(pen, op.to) is not None:
        raise Conflict(
            f"Already exists: {op.to}",
            remedy="choose another target",
            code="ALREADY_EXISTS",
            details={"resource": str(op.to), "type": "file"},
        )
    if op.to.under(op.source):
        raise Invalid(f"{op.to} lies inside {op.source}", remedy="choose a target outside it")
    if too_much(pen, found.id):
        raise Invalid(
            f"{op.source} holds too much to copy at once",
            remedy=f"copy directories of at most {COPY_NODES_MAX} entries and {COPY_CHUNKS_MAX} chunks, part by part",
        )
    if holds_talk(pen, found.id):
        raise Conflict(
            f"{op.source} holds recorded talk, which is said once",
            remedy="copy memories or resources; export the session instead",
            code="FAILED_PRECONDITION",
        )
    todo = [(found, op.to, pen.directory(op.to.parent))]
    while todo:
        one, to, parent = todo.pop()
        node = _copy_one(pen, one, to, parent)
        for (below,) in every(pen.c, "SELECT name FROM node WHERE parent = ? AND gone = 0", (one.id,)):
            entry = rows.child(pen.c, one.id, below)
            if entry is not None:
                todo.append((entry, to / below, node))
    pen.mark_stale(pen.directory(op.to.parent), op.to.parent)
    job_relocation.follow(pen, op.source, op.to, stay=True)
    pen.outcome.created.append(op.to)


def _copy_one(pen: Pen, one: Row, to: Uri, parent: int) -> int:
    size, media, event_at, speaker = only(
        pen.c, "SELECT size, media, event_at, speaker FROM node WHERE id = ?", (one.id,)
    )
    node = pen.insert(
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
    pen.c.execute("INSERT INTO tier SELECT ?, 1, abstract, overview, made_by FROM tier WHERE node = ?", (node, one.id))
    if one.kind == DIRECTORY:
        pen.mark_stale(node, to)
    else:
        copy_chunks(pen, one.id, node, pen.partition_id(to))
    return node
