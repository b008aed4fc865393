"""The tree's operations, each inside the writer's transaction."""

from __future__ import annotations

import json
from typing import Any

from recalld.adapters.sqlite.database.append_streams import append_version
from recalld.adapters.sqlite.database.sql import fetch_all, fetch_one
from recalld.domain.commit import COUNTED_MAX, Anchor, MakeDir, PutFile, Remove, SetChunks, SetTiers, WriteMode
from recalld.domain.errors import Conflict, Invalid
from recalld.domain.uri import Uri
from recalld.rules.sidecar import pin

from . import attributes, job_relocation, rows
from .chunks import (
    KIND_FILE,
    KIND_MESSAGE,
    KIND_TIER,
    delete_chunks,
    has_chunks,
    insert_chunks,
    last_chunk,
    matching_chunks,
)
from .message_rows import archived_to
from .rows import DIRECTORY, FILE, MESSAGE, Row
from .transaction import WriteTx, existing
from .trash import add_to_trash, changed_below

TEXT_LEVEL = (2,)
TIER_LEVELS = (0, 1)


def make_dir(tx: WriteTx, op: MakeDir) -> None:
    """See ``commit.MakeDir``."""
    found = existing(tx, op.uri)
    there = found is not None or rows.is_namespace(op.uri, tx.caller)
    acceptable = op.exist_ok or (
        op.same_origin
        and found is not None
        and (None if found.source == "{}" else json.loads(found.source).get("origin")) == op.source.get("origin")
    )
    if there and not (acceptable and (found is None or found.kind == DIRECTORY)):
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
    node = tx.directory(op.uri)
    if op.source:
        tx.c.execute("UPDATE node SET source = ? WHERE id = ?", (json.dumps(op.source), node))
    if op.abstract:
        tx.set_tier(node, 1, pin(0, op.abstract, rows.tiers(tx.c, node)))
        _mark_parent_stale(tx, node, op.uri)
    tx.result.created += [] if found else [op.uri]
    if not op.exist_ok:
        tx.result.nodes.append(rows.load(tx.c, node, op.uri))


def anchor(tx: WriteTx, op: Anchor) -> None:
    """See ``commit.Anchor``."""
    if rows.PathResolver(tx.c, tx.caller.account).of(op.node_id) != op.uri.parts:
        raise Conflict(
            f"{op.uri} was moved or removed meanwhile",
            remedy="look where it is now",
            code="FAILED_PRECONDITION",
            details={"uri": str(op.uri), "conflict_type": "moved", "retryable": True},
        )


def put_file(tx: WriteTx, op: PutFile) -> None:
    """See ``commit.PutFile``."""
    parent = tx.directory(op.uri.parent)
    found = rows.child(tx.c, parent, op.uri.name)
    now = found.version if found is not None else 0
    if op.expect_version is not None and op.expect_version != now:
        raise Conflict(
            f"{op.uri} is at version {now}, not {op.expect_version}" if now else f"{op.uri} is not there any more",
            remedy="read it again, and write what follows from that",
            code="WRITE_CONFLICT",
            details={"uri": str(op.uri), "version": now, "retryable": False},
        )
    if found is None:
        _create_file(tx, op, parent)
    else:
        _replace_file(tx, op, found)


def _create_file(tx: WriteTx, op: PutFile, parent: int) -> None:
    if op.mode is WriteMode.REPLACE or op.expect:
        raise rows.missing(op.uri)
    _store_content(tx, op)
    node = tx.insert(
        parent, op.uri, FILE, hash=op.hash, size=op.size, media=op.media, event_at=op.event_at, speaker=op.speaker,
        tags=json.dumps(op.tags or ()), source=json.dumps(op.source, ensure_ascii=False),
    )  # fmt: skip
    _index_content(tx, op, node, tx.partition_id(op.uri), 1, parent)
    tx.result.created.append(op.uri)


def _replace_file(tx: WriteTx, op: PutFile, found: Row) -> None:
    _check_replace(op, found)
    if found.hash == op.hash:
        attributes.update_attributes(tx, op.uri, found, op.tags, op.source or None)
        tx.result.unchanged.append(op.uri)
        return
    _store_content(tx, op)
    version = found.version + 1
    # What a rewritten file says of where it came from. What an import brought stays known as such, with the hash it was
    # brought with: the next import of the same origin sees that it was changed here.
    former: dict[str, Any] = json.loads(found.source)
    source = former if not op.source and {"path", "sha256"} <= former.keys() else op.source
    changed = attributes.changes(found, op.tags, source) or None
    seq = tx.log("write", found.id, op.uri, before=found.hash, after=op.hash, detail=changed)
    tx.c.execute(
        "UPDATE node SET kept = 0, seq = ?, version = ?, hash = ?, size = ?, media = ?, updated = ?, event_at = ?, speaker = ?, "
        "tags = coalesce(?, tags), source = ? WHERE id = ?",
        (
            seq, version, op.hash, op.size, op.media, tx.at, op.event_at, op.speaker,
            None if op.tags is None else json.dumps(op.tags), json.dumps(source, ensure_ascii=False), found.id,
        ),
    )  # fmt: skip
    replaced = op
    if op.appended is None or not _can_keep_chunks(tx, op, found):
        delete_chunks(tx.c, found.id, levels=sorted({*TEXT_LEVEL, *(k.level for k in op.chunks or ())}))
    else:
        replaced = op.replace(chunks=())
        _update_chunks(tx, op, found, version)
    _index_content(tx, replaced, found.id, found.partition_id, version, found.parent)
    tx.result.updated.append(op.uri)


def _can_keep_chunks(tx: WriteTx, op: PutFile, found: Row) -> bool:
    """Whether chunks of the former version may stand for the same words of this one."""
    before = fetch_one(
        tx.c, "SELECT count(*) FROM chunk WHERE node = ? AND level = 2 AND speaker <> ?", (found.id, op.speaker)
    )
    return not before[0] and not rows.is_private(op.uri.parts)


def _update_chunks(tx: WriteTx, op: PutFile | SetChunks, found: Row, version: int) -> bool:
    """Put chunks in place of those that are there, as far as they differ; True if some were or are kept of a former version."""
    event_at, speaker, before = fetch_one(tx.c, "SELECT event_at, speaker, kept FROM node WHERE id = ?", (found.id,))
    kind, group, previous = _chunk_position(tx, found)
    is_append = isinstance(op, PutFile) and (op.tail or op.chunks is None)
    chunks = op.chunks or ()
    matching, last = (0, last_chunk(tx.c, found.id)) if is_append else matching_chunks(tx.c, found.id, chunks)
    if not is_append:
        delete_chunks(tx.c, found.id, levels=TEXT_LEVEL, after=last)
    insert_chunks(
        tx, found.id, found.partition_id, version, chunks[matching:], kind=kind, group=group, previous=last or previous,
        at=tx.at if event_at is None else event_at, speaker=speaker,
    )  # fmt: skip
    tx.c.execute("UPDATE node SET kept = ? WHERE id = ?", (int(last > 0), found.id))
    return bool(before or last)


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
            remedy="messages do not change; forget it and append a new one",
            code="FAILED_PRECONDITION",
        )
    if op.mode is WriteMode.CREATE:
        raise Conflict(
            f"Already exists: {op.uri}",
            remedy="write with mode replace",
            code="ALREADY_EXISTS",
            details={"resource": str(op.uri), "type": "file"},
        )
    _check_expected(op, found)


def _check_expected(op: PutFile | Remove, found: Row) -> None:
    if op.expect and op.expect != found.hash:
        raise Conflict(
            f"{op.uri} has changed meanwhile",
            remedy="read it again",
            code="ABORTED",
            details={"uri": str(op.uri), "retryable": True},
        )


def _store_content(tx: WriteTx, op: PutFile) -> None:
    if op.appended is not None:
        append_version(tx.c, op.expect, op.hash, op.size, op.appended)
        return
    tx.c.execute(
        "INSERT INTO blob (hash, size, data) SELECT ?1, ?2, ?3 WHERE NOT EXISTS (SELECT 1 FROM grown WHERE hash = ?1) "
        "ON CONFLICT (hash) DO NOTHING",
        (op.hash, op.size, op.data),
    )


def _index_content(tx: WriteTx, op: PutFile, node: int, partition_id: int, version: int, parent: int) -> None:
    """What hangs on a file's content: chunks, tiers, the directory's freshness."""
    at = tx.at if op.event_at is None else op.event_at
    if op.chunks and not rows.is_private(op.uri.parts):
        insert_chunks(
            tx,
            node,
            partition_id,
            version,
            op.chunks,
            kind=KIND_FILE,
            group=node,
            previous=0,
            at=at,
            speaker=op.speaker,
        )
    if op.tiers is not None:
        tx.set_tier(node, version, op.tiers)
    tx.mark_stale(parent, op.uri.parent)


def set_tiers(tx: WriteTx, op: SetTiers) -> None:
    """See ``commit.SetTiers``."""
    read = _if_unchanged(tx, op.node_id, op.version)
    if read is None:
        return
    found, path = read
    before = rows.tiers(tx.c, op.node_id)
    if op.checked and op.own != before:
        tx.result.stale += 1
        return
    if op.where_different and before == op.tiers and has_chunks(tx.c, op.node_id, op.chunks, levels=TIER_LEVELS):
        return
    tx.set_tier(op.node_id, op.version, op.tiers)
    delete_chunks(tx.c, op.node_id, levels=TIER_LEVELS)
    insert_chunks(
        tx,
        op.node_id,
        found.partition_id,
        op.version,
        () if rows.is_private(path) else op.chunks,
        kind=KIND_TIER,
        group=op.node_id,
        previous=0,
        at=tx.at,
        speaker="",
    )
    if op.seen_seq:
        tx.c.execute("UPDATE node SET stale = 0 WHERE id = ? AND stale <= ?", (op.node_id, op.seen_seq))
    if path and (before is None or before.abstract != op.tiers.abstract):
        _mark_parent_stale(tx, op.node_id, Uri(path))


def _if_unchanged(tx: WriteTx, node: int, version: int) -> tuple[Row, tuple[str, ...]] | None:
    """A node and its path if it is still as its reader saw it; else the operation is counted as stale."""
    found = rows.row(tx.c, node)
    path = rows.PathResolver(tx.c, tx.caller.account).of(node)
    if found is None or path is None or found.version != version:
        tx.result.stale += 1
        return None
    rows.check_access(tx.caller, Uri(path))
    return found, path


def _mark_parent_stale(tx: WriteTx, node: int, uri: Uri) -> None:
    """The directory above shows this node's abstract, which has changed: an entry of its own, since a refresh of the
    directory under way may have seen every entry before."""
    tx.log("tiers", node, uri)
    for (parent,) in fetch_all(tx.c, "SELECT parent FROM node WHERE id = ?", (node,)):
        tx.mark_stale(parent, uri.parent)


def set_chunks(tx: WriteTx, op: SetChunks) -> None:
    """See ``commit.SetChunks``."""
    read = _if_unchanged(tx, op.node_id, op.version)
    if read is None:
        return
    found, path = read
    same = op.where_different and has_chunks(tx.c, op.node_id, op.chunks)
    if same and op.tiers is None:
        return
    if not same and _update_chunks(tx, op.replace(chunks=()) if rows.is_private(path) else op, found, op.version):
        # Caches of the index see by the node's place in the log that other chunks stand for it now.
        seq = tx.log("index", op.node_id, Uri(path))
        tx.c.execute("UPDATE node SET seq = ? WHERE id = ?", (seq, op.node_id))
    if op.tiers is not None:
        tx.set_tier(op.node_id, op.version, op.tiers)
        if not op.quiet:
            _mark_parent_stale(tx, op.node_id, Uri(path))


def _chunk_position(tx: WriteTx, found: Row) -> tuple[int, int, int]:
    """Kind and group of a node's chunks, and the chunk they follow: a message's follow those of the message before it."""
    if found.kind != MESSAGE:
        return KIND_FILE, found.id, 0
    session, ordinal = fetch_one(tx.c, "SELECT session, ordinal FROM message WHERE node = ?", (found.id,))
    before = tx.c.execute(
        "SELECT k.id FROM message m JOIN chunk k ON k.node = m.node WHERE m.session = ? AND m.ordinal < ? "
        "ORDER BY m.ordinal DESC, k.id DESC LIMIT 1",
        (session, ordinal),
    ).fetchone()
    return KIND_MESSAGE, session, before[0] if before else 0


def remove(tx: WriteTx, op: Remove) -> None:
    """See ``commit.Remove``."""
    rows.check_no_hidden_peers(tx.caller, op.uri)
    found = existing(tx, op.uri)
    if found is None:
        return
    _check_expected(op, found)
    if op.unchanged_since and changed_below(tx.c, found.id, op.unchanged_since):
        raise Conflict(
            f"something in {op.uri} has changed meanwhile",
            remedy="look again",
            code="ABORTED",
            details={"uri": str(op.uri), "retryable": True},
        )
    job_relocation.cancel_imports(tx, op.uri)
    count = count_below(tx, found.id)
    if found.kind == DIRECTORY and count > 1 and not op.recursive:
        raise Conflict(
            f"{op.uri} is a directory with something in it",
            remedy="remove it with recursive",
            code="FAILED_PRECONDITION",
            details={"uri": str(op.uri)},
        )
    tx.result.removed += count
    seq = tx.log("remove", found.id, op.uri, before=found.hash)
    tx.c.execute("UPDATE node SET gone = ?, seq = ? WHERE id = ?", (seq, seq, found.id))
    if found.kind == MESSAGE:
        _forget_live(tx, found.id)
    tx.mark_stale(found.parent, op.uri.parent)
    add_to_trash(tx, found.id, erase=op.erase)


def _forget_live(tx: WriteTx, node: int) -> None:
    found = tx.c.execute(
        f"SELECT session, tokens FROM message m WHERE node = ? AND ordinal > {archived_to('m.session')}", (node,)
    ).fetchone()
    if found:
        tx.c.execute(
            "UPDATE session SET live = live - 1, live_tokens = live_tokens - ? WHERE node = ?", (found[1], found[0])
        )


def count_below(tx: WriteTx, node: int) -> int:
    """Nodes of a subtree, itself included, counted up to a limit."""
    return int(
        fetch_one(
            tx.c,
            "WITH RECURSIVE s(id) AS (SELECT ? UNION ALL SELECT n.id FROM node n JOIN s ON n.parent = s.id "
            "WHERE n.gone = 0 LIMIT ?) SELECT count(*) FROM s",
            (node, COUNTED_MAX),
        )[0]
    )
