"""The tree's operations, each inside the writer's transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator

from recalld.domain.commit import Copy, MakeDir, Move, PutFile, Remove, SetChunks, SetTags, SetTiers, WriteMode
from recalld.domain.errors import Conflict, Invalid
from recalld.domain.job import NewJob
from recalld.domain.uri import Uri

from . import rows
from .chunks import KIND_FILE, KIND_TIER, copy_chunks, delete_chunks, insert_chunks, reown_chunks
from .pen import Pen, existing
from .queue import enqueue
from .rows import DIRECTORY, FILE, MESSAGE, Row

COPY_NODES_MAX = 20_000
COUNT_MAX = 10_000
REOWN_AT_ONCE = 500
TEXT_LEVEL = (2,)
TIER_LEVELS = (0, 1)
PURGE = NewJob("purge", "purge")


def make_dir(pen: Pen, op: MakeDir) -> None:
    """See ``commit.MakeDir``."""
    found = existing(pen, op.uri)
    if found is not None and not (op.exist_ok and found.kind == DIRECTORY):
        raise Conflict(
            f"Already exists: {op.uri}",
            remedy="choose another name, or use what is there",
            details={
                "resource": str(op.uri),
                "uri": str(op.uri),
                "type": "directory",
                "conflict_type": "exists",
                "retryable": False,
            },
        )
    node = pen.directory(op.uri)
    if op.source:
        pen.c.execute("UPDATE node SET source = ? WHERE id = ?", (json.dumps(op.source), node))
    if op.tiers is not None:
        pen.set_tier(node, 1, op.tiers)
    pen.outcome.created += [] if found else [op.uri]


def put_file(pen: Pen, op: PutFile) -> None:
    """See ``commit.PutFile``."""
    parent = pen.directory(op.uri.parent)
    found = rows.child(pen.c, parent, op.uri.name)
    if found is None:
        _create_file(pen, op, parent)
    else:
        _replace_file(pen, op, found)


def _create_file(pen: Pen, op: PutFile, parent: int) -> None:
    if op.mode is WriteMode.REPLACE or op.expect:
        raise rows.missing(op.uri)
    _keep_blob(pen, op)
    node = pen.insert(
        parent, op.uri, FILE, hash=op.hash, size=op.size, media=op.media, event_at=op.event_at, speaker=op.speaker,
        tags=json.dumps(op.tags or ()), source=json.dumps(op.source, ensure_ascii=False),
    )  # fmt: skip
    _follow(pen, op, node, pen.owner(op.uri), 1, parent)
    pen.outcome.created.append(op.uri)


def _replace_file(pen: Pen, op: PutFile, found: Row) -> None:
    _check_replace(op, found)
    if found.hash == op.hash:
        _same_bytes(pen, op, found)
        return
    _keep_blob(pen, op)
    version = found.version + 1
    seq = pen.log("write", found.id, op.uri, before=found.hash, after=op.hash)
    pen.c.execute(
        "UPDATE node SET seq = ?, version = ?, hash = ?, size = ?, media = ?, updated = ?, event_at = ?, speaker = ?, "
        "tags = coalesce(?, tags), source = ? WHERE id = ?",
        (
            seq, version, op.hash, op.size, op.media, pen.at, op.event_at, op.speaker,
            None if op.tags is None else json.dumps(op.tags), json.dumps(op.source, ensure_ascii=False), found.id,
        ),
    )  # fmt: skip
    delete_chunks(pen.c, found.id, levels=TEXT_LEVEL)
    _follow(pen, op, found.id, found.owner, version, found.parent)
    pen.outcome.updated.append(op.uri)


def _check_replace(op: PutFile, found: Row) -> None:
    if found.kind == DIRECTORY:
        raise Invalid(
            f"{op.uri} is a directory",
            remedy="write to a file in it",
            details={"expected": "file", "actual": "directory", "uri": str(op.uri)},
        )
    if found.kind == MESSAGE:
        raise Conflict(
            f"{op.uri} is a recorded message",
            remedy="messages do not change; forget it and say it anew",
            code="FAILED_PRECONDITION",
        )
    if op.mode is WriteMode.CREATE:
        raise Conflict(
            f"Already exists: {op.uri}",
            remedy="write with mode replace",
            code="ALREADY_EXISTS",
            details={"resource": str(op.uri), "type": "file"},
        )
    if op.expect and op.expect != found.hash:
        raise Conflict(
            f"{op.uri} has changed meanwhile",
            remedy="read it again",
            code="ABORTED",
            details={"uri": str(op.uri), "retryable": True},
        )


def _same_bytes(pen: Pen, op: PutFile, found: Row) -> None:
    """Nothing to do but to remember a new origin or new tags."""
    source, tags = json.dumps(op.source, ensure_ascii=False), None if op.tags is None else json.dumps(op.tags)
    if (op.source and source != found.source) or (tags is not None and tags != found.tags):
        seq = pen.log("attrs", found.id, op.uri)
        pen.c.execute(
            "UPDATE node SET source = ?, tags = coalesce(?, tags), seq = ? WHERE id = ?",
            (source if op.source else found.source, tags, seq, found.id),
        )
    pen.outcome.unchanged.append(op.uri)


def _keep_blob(pen: Pen, op: PutFile) -> None:
    pen.c.execute(
        "INSERT INTO blob (hash, size, data) VALUES (?, ?, ?) ON CONFLICT (hash) DO NOTHING",
        (op.hash, op.size, op.data),
    )


def _follow(pen: Pen, op: PutFile, node: int, owner: int, version: int, parent: int) -> None:
    """What hangs on a file's content: chunks, tiers, the directory's freshness."""
    at = pen.at if op.event_at is None else op.event_at
    if op.chunks:
        insert_chunks(
            pen, node, owner, version, op.chunks, kind=KIND_FILE, group=node, previous=0, at=at, speaker=op.speaker
        )
    if op.tiers is not None:
        pen.set_tier(node, version, op.tiers)
    pen.mark_stale(parent, op.uri.parent)


def set_tags(pen: Pen, op: SetTags) -> None:
    """See ``commit.SetTags``."""
    found = existing(pen, op.uri)
    if found is None:
        raise rows.missing(op.uri)
    seq = pen.log("tags", found.id, op.uri)
    pen.c.execute("UPDATE node SET tags = ?, seq = ? WHERE id = ?", (json.dumps(op.tags), seq, found.id))
    pen.outcome.updated.append(op.uri)


def set_tiers(pen: Pen, op: SetTiers) -> None:
    """See ``commit.SetTiers``."""
    read = _as_read(pen, op.node_id, op.version)
    if read is None:
        return
    found, path = read
    before = pen.c.execute("SELECT abstract FROM tier WHERE node = ?", (op.node_id,)).fetchone()
    pen.set_tier(op.node_id, op.version, op.tiers)
    delete_chunks(pen.c, op.node_id, levels=TIER_LEVELS)
    insert_chunks(
        pen,
        op.node_id,
        found.owner,
        op.version,
        op.chunks,
        kind=KIND_TIER,
        group=op.node_id,
        previous=0,
        at=pen.at,
        speaker="",
    )
    if op.seen_seq:
        pen.c.execute("UPDATE node SET stale = 0 WHERE id = ? AND stale <= ?", (op.node_id, op.seen_seq))
    if path and (before is None or before[0] != op.tiers.abstract):
        pen.outcome.seq = max(pen.outcome.seq, _last_seq(pen))
        pen.mark_stale(found.parent, Uri(path[:-1]))


def _as_read(pen: Pen, node: int, version: int) -> tuple[Row, tuple[str, ...]] | None:
    """A node and its path if it is still as its reader saw it; else the operation is counted as stale."""
    found = rows.row(pen.c, node)
    path = rows.Paths(pen.c, pen.caller.account).of(node)
    if found is None or path is None or found.version != version:
        pen.outcome.stale += 1
        return None
    rows.check_access(pen.caller, Uri(path))
    return found, path


def _last_seq(pen: Pen) -> int:
    return int(pen.c.execute("SELECT coalesce(max(seq), 0) FROM log").fetchone()[0])


def set_chunks(pen: Pen, op: SetChunks) -> None:
    """See ``commit.SetChunks``."""
    read = _as_read(pen, op.node_id, op.version)
    if read is None:
        return
    found, path = read
    event_at, speaker = pen.c.execute("SELECT event_at, speaker FROM node WHERE id = ?", (op.node_id,)).fetchone()
    delete_chunks(pen.c, op.node_id, levels=TEXT_LEVEL)
    insert_chunks(
        pen,
        op.node_id,
        found.owner,
        op.version,
        op.chunks,
        kind=KIND_FILE,
        group=op.node_id,
        previous=0,
        at=pen.at if event_at is None else event_at,
        speaker=speaker,
    )
    if op.tiers is not None:
        pen.set_tier(op.node_id, op.version, op.tiers)
    pen.outcome.seq = max(pen.outcome.seq, _last_seq(pen))
    pen.mark_stale(found.parent, Uri(path[:-1]))


def remove(pen: Pen, op: Remove) -> None:
    """See ``commit.Remove``."""
    found = existing(pen, op.uri)
    if found is None:
        return
    count = count_below(pen, found.id)
    if found.kind == DIRECTORY and count > 1 and not op.recursive:
        raise Conflict(
            f"{op.uri} is a directory with something in it",
            remedy="remove it with recursive",
            code="FAILED_PRECONDITION",
            details={"uri": str(op.uri)},
        )
    pen.outcome.removed += count
    seq = pen.log("remove", found.id, op.uri, before=found.hash)
    pen.c.execute("UPDATE node SET gone = ?, seq = ? WHERE id = ?", (seq, seq, found.id))
    if found.kind == MESSAGE:
        _forget_live(pen, found.id)
    pen.mark_stale(found.parent, op.uri.parent)
    enqueue(pen, PURGE)


def _forget_live(pen: Pen, node: int) -> None:
    found = pen.c.execute("SELECT session, tokens FROM message WHERE node = ? AND archive = 0", (node,)).fetchone()
    if found:
        pen.c.execute(
            "UPDATE session SET live = live - 1, live_tokens = live_tokens - ? WHERE node = ?", (found[1], found[0])
        )


def count_below(pen: Pen, node: int) -> int:
    """Nodes of a subtree, itself included, counted up to a limit."""
    return int(
        pen.c.execute(
            "WITH RECURSIVE s(id) AS (SELECT ? UNION ALL SELECT n.id FROM node n JOIN s ON n.parent = s.id WHERE n.gone = 0 LIMIT ?) "
            "SELECT count(*) FROM s",
            (node, COUNT_MAX),
        ).fetchone()[0]
    )


def move(pen: Pen, op: Move) -> None:
    """See ``commit.Move``."""
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
    owner = pen.owner(op.to)
    if owner != found.owner:
        pen.bump_epoch(owner, found.owner)
        if reown(pen, found.id, REOWN_AT_ONCE + 1) > REOWN_AT_ONCE:
            enqueue(pen, NewJob("reown", f"reown:{found.id}", {"node": found.id}))
    pen.outcome.updated.append(op.to)


def reown(pen: Pen, top: int, chunks_max: int) -> int:
    """Bring up to ``chunks_max`` chunks (and the nodes they hang on) of a moved subtree into the index space of its new
    place; returns how many rows were brought over, 0 when all are there."""
    path = rows.Paths(pen.c, pen.caller.account).of(top)
    if path is None:
        return 0
    owner = pen.owner(Uri(path))
    done, seq = 0, 0
    for node, has in list(_foreign(pen, top, owner, chunks_max)):
        seq = seq or pen.log("reown", top, Uri(path))
        moved = reown_chunks(pen.c, node, owner)
        pen.c.execute("UPDATE node SET owner = ?, seq = ? WHERE id = ?", (owner, seq, node))
        pen.bump_epoch(has)
        done += max(moved, 1)
        if done >= chunks_max:
            break
    if done:
        pen.bump_epoch(owner)
    return done


def _foreign(pen: Pen, top: int, owner: int, most: int) -> Iterator[tuple[int, int]]:
    yield from pen.c.execute(
        "WITH RECURSIVE s(id, owner) AS (SELECT id, owner FROM node WHERE id = ? UNION ALL "
        "SELECT n.id, n.owner FROM node n JOIN s ON n.parent = s.id WHERE n.gone = 0) SELECT id, owner FROM s WHERE owner <> ? LIMIT ?",
        (top, owner, most),
    )


def copy(pen: Pen, op: Copy) -> None:
    """See ``commit.Copy``."""
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
    if count_below(pen, found.id) >= min(COPY_NODES_MAX, COUNT_MAX):
        raise Invalid(
            f"{op.source} holds too much to copy at once", remedy=f"copy directories of at most {COUNT_MAX} entries"
        )
    todo = [(found, op.to, pen.directory(op.to.parent))]
    while todo:
        one, to, parent = todo.pop()
        node = _copy_one(pen, one, to, parent)
        for (below,) in pen.c.execute("SELECT name FROM node WHERE parent = ? AND gone = 0", (one.id,)).fetchall():
            entry = rows.child(pen.c, one.id, below)
            if entry is not None:
                todo.append((entry, to / below, node))
    pen.mark_stale(pen.directory(op.to.parent), op.to.parent)
    pen.outcome.created.append(op.to)


def _copy_one(pen: Pen, one: Row, to: Uri, parent: int) -> int:
    size, media, event_at, speaker = pen.c.execute(
        "SELECT size, media, event_at, speaker FROM node WHERE id = ?", (one.id,)
    ).fetchone()
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
        copy_chunks(pen, one.id, node, pen.owner(to))
    return node
