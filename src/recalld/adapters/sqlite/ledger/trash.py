"""Removed subtrees: kept for a while so that they can be restored, then erased. What was derived from them is deleted at
once.

A removed subtree is known by its top, which has a row in ``trash``; nothing below it can be reached. ``clean`` deletes the
subtree's index rows and takes its nodes out of their partition (owner 0). ``erase`` deletes the nodes themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import apsw
import orjson

from recalld.adapters.sqlite.database.sql import fetch_all
from recalld.domain.commit import Undelete
from recalld.domain.errors import Conflict
from recalld.domain.job import PurgePayload, RepartitionPayload, RevivePayload
from recalld.domain.uri import Uri

from . import rows
from .access import Access
from .chunks import delete_chunks
from .job_queue import enqueue
from .message_rows import archived_to
from .rows import DIRECTORY, MESSAGE, Row
from .transaction import WriteTx

PURGED_CHUNKS_MAX = 50
"""Chunks one slice deletes: about 5 ms."""
NODES_PER_SLICE = 15
RESTORED_INLINE_MAX = 2_000
"""Nodes that a restore itself returns to their partition; a job does the rest in batches."""
PURGE = PurgePayload().job()
NODE_TABLES = (
    *(("message", "node"), ("session", "node"), ("archive", "session")),
    *(("tier", "node"), ("trash", "node"), ("node", "id")),
)
"""Tables with rows of a node, and the column that names it there."""
SUBTREE_CTE = (
    "WITH RECURSIVE s(id, owner, kind) AS (SELECT id, owner, kind FROM node WHERE id = ?1 "
    "UNION ALL SELECT n.id, n.owner, n.kind FROM node n JOIN s ON n.parent = s.id AND n.gone = 0)"
)


def add_to_trash(tx: WriteTx, node: int, *, erase: bool) -> None:
    """Record a removed subtree's top, and enqueue the deletion of what was derived from it."""
    tx.c.execute("INSERT OR REPLACE INTO trash (node, at, erase) VALUES (?, ?, ?)", (node, tx.at, erase))
    enqueue(tx, PURGE)


@dataclass(frozen=True, slots=True)
class Uncleaned:
    """A removed subtree that still has index rows. ``gone``: the log entry that removed its top; ``nodes``: some below it."""

    top: int
    gone: int
    nodes: tuple[int, ...]


def next_uncleaned(c: apsw.Connection, nodes_max: int) -> Uncleaned | None:
    """The next subtree to be cleaned; None: all are clean."""
    found = c.execute(
        "SELECT t.node, n.gone FROM trash t JOIN node n ON n.id = t.node WHERE t.cleaned = 0 ORDER BY t.node LIMIT 1"
    ).fetchone()
    if found is None:
        return None
    sql = f"{SUBTREE_CTE} SELECT id FROM s WHERE id <> ?1 AND owner <> 0 LIMIT ?2"
    top, gone = found
    return Uncleaned(top, gone, tuple(node for (node,) in fetch_all(c, sql, (top, nodes_max))))


async def purge(access: Access, nodes_max: int) -> int:
    """See ``ports.maintenance.Cleanup.purge``: what is to do is looked up by a reader, and done in slices by the writer."""
    found = await access.read(lambda c: next_uncleaned(c, nodes_max))
    if found is None:
        return await access.free(lambda c: erase(c, min(nodes_max, NODES_PER_SLICE)))
    for some, last in slices(found.nodes, nodes_max):
        if not await access.free(partial(clean, found=found, nodes=some, last=last)):
            break
    return max(len(found.nodes), 1)


async def erase_expired(access: Access, removed_before: float) -> None:
    """Delete what was removed before then, in slices."""
    await access.free(lambda c: expire(c, removed_before))
    while await access.free(lambda c: erase(c, NODES_PER_SLICE)):
        pass


def slices(nodes: Sequence[int], nodes_max: int) -> Iterator[tuple[Sequence[int], bool]]:
    """What ``next_uncleaned`` found in slices for ``clean``, each with whether nothing of the subtree comes after it."""
    for start in range(0, max(len(nodes), 1), NODES_PER_SLICE):
        yield nodes[start : start + NODES_PER_SLICE], len(nodes) < nodes_max and start + NODES_PER_SLICE >= len(nodes)


def clean(c: apsw.Connection, found: Uncleaned, nodes: Sequence[int], *, last: bool) -> bool:
    """Delete what was derived from these nodes, and with ``last`` from the top as well; True: all of it is deleted.

    A subtree that was restored meanwhile is left alone, also if it was removed once more: it may hold other nodes now."""
    top = found.top
    same = "SELECT 1 FROM trash t JOIN node n ON n.id = t.node WHERE t.node = ? AND t.cleaned = 0 AND n.gone = ?"
    if c.execute(same, (top, found.gone)).fetchone() is None:
        return True
    left = PURGED_CHUNKS_MAX
    for node in nodes:
        left -= delete_chunks(c, node, most=left)
        if left <= 0:
            return False  # a node with more than that goes in several slices
        c.execute("UPDATE node SET owner = 0, stale = 0 WHERE id = ?", (node,))
        c.execute("UPDATE session SET owner = 0 WHERE node = ?", (node,))
    if last:
        if delete_chunks(c, top, most=left) >= left:
            return False
        # The top keeps its partition: caches of it learn from its row that the subtree is gone.
        c.execute("UPDATE node SET stale = 0 WHERE id = ?", (top,))
        c.execute("UPDATE session SET owner = 0 WHERE node = ?", (top,))
        c.execute("UPDATE trash SET cleaned = 1 WHERE node = ?", (top,))
    return True


def expire(c: apsw.Connection, removed_before: float) -> None:
    """Have what was removed before then erased."""
    c.execute("UPDATE trash SET erase = 1 WHERE erase = 0 AND at < ?", (removed_before,))


def erase(c: apsw.Connection, nodes_max: int) -> int:
    """Delete up to ``nodes_max`` nodes of what is to be erased, leaves first; returns how many (0: there are none)."""
    doomed: list[int] = []
    for (top,) in fetch_all(c, "SELECT node FROM trash WHERE erase = 1 ORDER BY node LIMIT ?", (nodes_max,)):
        doomed += _leaves(c, top, nodes_max - len(doomed))
        if len(doomed) >= nodes_max:
            break
    left = PURGED_CHUNKS_MAX
    for node in doomed:
        left -= delete_chunks(c, node, most=left)
        if left <= 0:
            break
        # A change that can no longer be undone needs no entry; entries that shaped the tree stay, with their addresses.
        c.execute(
            "UPDATE log SET detail = '' WHERE node = ? AND detail <> '' AND op IN ('write', 'attrs', 'tags')", (node,)
        )
        for table, column in NODE_TABLES:
            c.execute(f"DELETE FROM {table} WHERE {column} = ?", (node,))
    return len(doomed)


def _leaves(c: apsw.Connection, top: int, most: int) -> list[int]:
    """Up to ``most`` nodes of a subtree, each after everything below it."""
    found: list[int] = []
    stack = [(top, _children(c, top, most))]
    while stack and len(found) < most:
        node, below = stack[-1]
        step = next(below, None)
        if step is None:
            stack.pop()
            found.append(node)
        else:
            stack.append((step, _children(c, step, most)))
    return found


def _children(c: apsw.Connection, node: int, most: int) -> Iterator[int]:
    """Entries that were removed one by one before are erased with their directory. Two queries, one for each index."""
    sql = (
        "SELECT id FROM node WHERE parent = :node AND gone = 0 UNION ALL SELECT id FROM node WHERE parent = :node AND gone > 0 "
        "LIMIT :most"
    )
    return iter([id_ for (id_,) in fetch_all(c, sql, {"node": node, "most": most + 1})])


def undelete(tx: WriteTx, op: Undelete) -> None:
    """See ``commit.Undelete``."""
    found = rows.row(tx.c, op.node_id)
    is_in_trash = tx.c.execute("SELECT 1 FROM trash WHERE node = ? AND erase = 0", (op.node_id,)).fetchone()
    if found is None or is_in_trash is None:
        raise rows.missing(op.uri)
    _check_place(tx, op, found)
    detail = {"parent": found.parent, "name": op.uri.name}
    seq = tx.log("restore", found.id, op.uri, after=found.hash, detail=detail)
    partition_id = tx.partition_id(op.uri)
    tx.c.execute("UPDATE node SET gone = 0, seq = ?, owner = ? WHERE id = ?", (seq, partition_id, found.id))
    tx.c.execute("DELETE FROM trash WHERE node = ?", (found.id,))
    if found.kind == MESSAGE:
        tx.c.execute(
            "UPDATE session SET live = live + 1, live_tokens = live_tokens + m.tokens FROM message m "
            f"WHERE m.node = ? AND m.ordinal > {archived_to('m.session')} AND session.node = m.session",
            (found.id,),
        )
    _rejoin_partition(tx, op.uri, found.id, partition_id, seq)
    tx.bump_epoch(partition_id)
    if found.kind == DIRECTORY:
        tx.mark_stale(found.id, op.uri)
    tx.mark_stale(found.parent, op.uri.parent)
    enqueue(tx, RevivePayload(str(op.uri)).job(f"revive:{op.uri}"))
    tx.result.created.append(op.uri)


def _check_place(tx: WriteTx, op: Undelete, found: Row) -> None:
    above = rows.PathResolver(tx.c, tx.caller.account).of(found.parent)
    if above is None or above != op.uri.parent.parts:
        raise Conflict(
            f"{op.uri.parent} is gone, so {op.uri} cannot be restored",
            remedy="restore the directory first",
            code="FAILED_PRECONDITION",
            details={"uri": str(op.uri)},
        )
    if rows.child(tx.c, found.parent, op.uri.name) is not None:
        raise Conflict(
            f"Already exists: {op.uri}",
            remedy="move what is there now out of the way",
            code="ALREADY_EXISTS",
            details={"resource": str(op.uri), "type": "file"},
        )


def _rejoin_partition(tx: WriteTx, uri: Uri, top: int, partition_id: int, seq: int) -> None:
    """Return cleaned nodes to their partition; their directories are summarised again. A job returns the rest of a large
    subtree (``move_copy.repartition``)."""
    found = [
        node for (node,) in fetch_all(tx.c, f"{SUBTREE_CTE} SELECT id FROM s LIMIT ?2", (top, RESTORED_INLINE_MAX + 1))
    ]
    ids = orjson.dumps(found[:RESTORED_INLINE_MAX]).decode()
    summarised = uri.parts[2:3] not in (("sessions",), ("privacy",)) or uri.parts[0] != "user"
    tx.c.execute(
        "UPDATE node SET owner = ?1, seq = ?2, stale = CASE WHEN kind = 0 AND ?3 THEN ?2 ELSE 0 END "
        "WHERE id IN (SELECT value FROM json_each(?4)) AND owner <> ?1",
        (partition_id, seq, summarised, ids),
    )
    tx.c.execute("UPDATE session SET owner = ? WHERE node IN (SELECT value FROM json_each(?))", (partition_id, ids))
    if len(found) > RESTORED_INLINE_MAX:
        enqueue(tx, RepartitionPayload(top).job(f"reown:{top}"))


def changed_below(c: apsw.Connection, top: int, since: int) -> bool:
    """True if anyone has changed a node of a living subtree after this log position: what is derived does not count."""
    sql = (
        f"{SUBTREE_CTE} SELECT 1 FROM s JOIN node n ON n.id = s.id WHERE n.seq > ?2 AND EXISTS (SELECT 1 FROM log l "
        "WHERE l.node = n.id AND l.seq > ?2 AND l.op IN ('create', 'write', 'move', 'remove', 'restore', 'tags', 'attrs')) "
        "LIMIT 1"
    )
    return c.execute(sql, (top, since)).fetchone() is not None
