"""Archives: messages put away by one commit of a session."""

from __future__ import annotations

from typing import Any

import apsw

from recalld.adapters.sqlite.database.sql import fetch_all, fetch_one
from recalld.domain.caller import Caller
from recalld.domain.commit import ArchiveMessages, FinishArchive, NewTask
from recalld.domain.session import Archive
from recalld.domain.uri import Uri

from .job_queue import enqueue, new_task
from .message_rows import archived_to
from .sessions import count_extracted, node_of, uri_of
from .transaction import WriteTx

COLUMNS = "number, created, messages, state, abstract, overview, error, task"


def archive_messages(tx: WriteTx, op: ArchiveMessages) -> None:
    """See ``commit.ArchiveMessages``."""
    node = node_of(tx.c, tx.caller, op.session_id)
    number, live, before, newest = fetch_one(
        tx.c,
        f"SELECT commits + 1, live, {archived_to('?1')}, next_ordinal - 1 FROM session WHERE node = ?1",
        (node,),
    )
    # Messages are archived by their ordinals alone: the cost depends on those that stay, not on those that go.
    last = max(before, min(op.last_ordinal, newest))
    staying, staying_tokens = fetch_one(
        tx.c,
        "SELECT count(*), coalesce(sum(m.tokens), 0) FROM message m CROSS JOIN node n ON n.id = m.node AND n.gone = 0 "
        "WHERE m.session = ? AND m.ordinal > ?",
        (node, last),
    )
    count = live - staying
    if count <= 0:
        return
    tx.c.execute(
        "UPDATE session SET commits = ?, live = ?, live_tokens = ?, keep_recent = ?, last_commit = ?, updated = ? "
        "WHERE node = ?",
        (number, staying, staying_tokens, op.keep_recent_count, tx.at, tx.at, node),
    )
    uri = uri_of(tx.caller, op.session_id)
    tx.c.execute(
        "INSERT INTO archive (session, number, created, messages, task, last) VALUES (?,?,?,?,?,?)",
        (node, number, tx.at, count, op.task_id, last),
    )
    tx.log("archive", node, uri, detail={"number": number, "messages": count, "last_ordinal": op.last_ordinal})
    new_task(tx, NewTask(op.task_id, op.task_type, op.session_id, {"archive": number}))
    enqueue(tx, op.job)
    tx.result.archive, tx.result.archived = number, count


def finish_archive(tx: WriteTx, op: FinishArchive) -> None:
    """See ``commit.FinishArchive``."""
    node = node_of(tx.c, tx.caller, op.session_id)
    state = "failed" if op.error else "done"
    tx.c.execute(
        "UPDATE archive SET state = ?, abstract = ?, overview = ?, error = ? WHERE session = ? AND number = ? "
        "AND state = 'pending'",
        (state, op.tiers.abstract, op.tiers.overview, op.error, node, op.number),
    )
    if not tx.c.changes():
        tx.result.stale += 1
        return
    count_extracted(tx, node, op.extracted)


def archives(c: apsw.Connection, caller: Caller, session_id: str, *, latest: bool = False) -> list[Archive]:
    node, base = node_of(c, caller, session_id), uri_of(caller, session_id)
    done = "SELECT number FROM archive WHERE session = ?1 AND state = 'done' ORDER BY number DESC LIMIT 1"
    since = f"AND number >= coalesce(({done}), 0) " if latest else ""
    found = fetch_all(c, f"SELECT {COLUMNS} FROM archive WHERE session = ?1 {since}ORDER BY number", (node,))
    return [_archive(values, base) for values in found]


def archive(c: apsw.Connection, caller: Caller, session_id: str, number: int, task_id: str) -> Archive | None:
    node, base = node_of(c, caller, session_id), uri_of(caller, session_id)
    # Clients poll a task while its archive is among the newest: the search starts at the end.
    which, value = ("task = ?", task_id) if task_id else ("number = ?", number)
    found = c.execute(
        f"SELECT {COLUMNS} FROM archive WHERE session = ? AND {which} ORDER BY number DESC LIMIT 1", (node, value)
    ).fetchone()
    return None if found is None else _archive(found, base)


def failed(c: apsw.Connection, caller: Caller, session_id: str) -> int:
    node = node_of(c, caller, session_id)
    return int(fetch_one(c, "SELECT count(*) FROM archive WHERE session = ? AND state = 'failed'", (node,))[0])


def _archive(values: tuple[Any, ...], base: Uri) -> Archive:
    return Archive(values[0], base / f"history/archive_{values[0]:03d}", *values[1:])
