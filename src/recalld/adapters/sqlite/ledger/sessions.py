"""Sessions and their messages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import apsw
import orjson

from recalld.adapters.sqlite.database.sql import PATH_CTE, fetch_all, fetch_one, json_path
from recalld.domain.caller import Caller
from recalld.domain.commit import (
    Append,
    ConfigureSession,
    MarkUsed,
    NewMessage,
    NoteRecall,
    OpenSession,
)
from recalld.domain.errors import Conflict, NotFound
from recalld.domain.session import Message, Session
from recalld.domain.uri import Uri
from recalld.rules.recall_log import KEY, log_of
from recalld.rules.retention import due

from . import message_rows, rows
from .chunks import KIND_MESSAGE, insert_chunks
from .job_queue import enqueue
from .message_rows import archived_to, message_from
from .rows import MESSAGE
from .transaction import WriteTx
from .tree import put_file

ORDINAL_MAX = (1 << 63) - 1
SESSION_COLUMNS = (
    "node, created, updated, live, next_ordinal, live_tokens, commits, keep_recent, last_commit, last_message, "
    "contexts_used, skills_used, extracted, config"
)


def idle_sessions(c: apsw.Connection, now: float, limit: int) -> list[tuple[Caller, str]]:
    """See ``ports.maintenance.Backlog.idle_sessions``; those silent for longest first."""
    idle_s = "json_extract(s.config, '$.auto_commit_policy.idle_timeout_seconds')"
    found = fetch_all(
        c,
        "SELECT o.account, o.user, s.name FROM session s CROSS JOIN owner o ON o.id = s.owner CROSS JOIN node n ON n.id = s.node "
        f"WHERE s.live > 0 AND s.config <> '{{}}' AND n.gone = 0 AND {idle_s} IS NOT NULL AND s.last_message + {idle_s} < ? "
        "AND s.live > coalesce(json_extract(s.config, '$.auto_commit_policy.keep_recent_count'), 0) "
        "ORDER BY s.last_message LIMIT ?",
        (now, limit),
    )
    return [(Caller(account, user), name) for account, user, name in found]


def uri_of(caller: Caller, session_id: str) -> Uri:
    """Where a caller's session lies."""
    return Uri(("user", caller.user, "sessions", session_id))


def node_of(c: apsw.Connection, caller: Caller, session_id: str) -> int:
    """A living session's node. Raises ``NotFound``."""
    node = rows.find(c, caller.account, uri_of(caller, session_id)) if session_id else 0
    if not node or c.execute("SELECT 1 FROM session WHERE node = ?", (node,)).fetchone() is None:
        raise NotFound(
            f"Session not found: {session_id}",
            remedy="list sessions, or create it",
            details={"type": "session", "resource": session_id},
        )
    return node


def session(c: apsw.Connection, caller: Caller, session_id: str) -> Session:
    """Raises ``NotFound``."""
    return _at(c, node_of(c, caller, session_id), uri_of(caller, session_id))


def _at(c: apsw.Connection, node: int, uri: Uri) -> Session:
    return _session(c, fetch_one(c, f"SELECT {SESSION_COLUMNS} FROM session WHERE node = ?", (node,)), uri)


_RECENT_TOKENS = f"""
SELECT t.session, sum(t.tokens) FROM (
  SELECT m.session, m.tokens, row_number() OVER (PARTITION BY m.session ORDER BY m.ordinal DESC) AS place
  FROM json_each(?) w CROSS JOIN message m ON m.session = w.value AND m.ordinal > {archived_to("w.value")}
  CROSS JOIN node n ON n.id = m.node AND n.gone = 0) t
CROSS JOIN session s ON s.node = t.session AND t.place <= s.keep_recent GROUP BY t.session"""


def sessions(c: apsw.Connection, caller: Caller, limit: int, offset: int = 0) -> list[Session]:
    partition_id = rows.partition_of(c, caller.account, caller.user)
    top = rows.find(c, caller.account, Uri(("user", caller.user, "sessions")))
    found = fetch_all(
        c,
        f"SELECT n.name, s.{SESSION_COLUMNS.replace(', ', ', s.')} FROM session s CROSS JOIN node n ON n.id = s.node "
        "WHERE s.owner = ? AND n.parent = ? AND n.gone = 0 ORDER BY s.updated DESC, s.node DESC LIMIT ? OFFSET ?",
        (partition_id, top, limit, offset),
    )
    keeping = [v[1] for v in found if v[8]]
    recent_tokens = dict(fetch_all(c, _RECENT_TOKENS, (orjson.dumps(keeping).decode(),))) if keeping else {}
    return [_session_from(v[1:], uri_of(caller, v[0]), v[6] - recent_tokens.get(v[1], 0)) for v in found]


def _session(c: apsw.Connection, found: tuple[Any, ...], uri: Uri) -> Session:
    """A ``Session`` from ``SESSION_COLUMNS``."""
    node, live, tokens, keep = found[0], found[3], found[5], found[7]
    pending = tokens if not keep else _tokens_outside(c, node, keep, tokens) if live > keep else 0
    return _session_from(found, uri, pending)


def _session_from(found: tuple[Any, ...], uri: Uri, pending: int) -> Session:
    _, created, updated, live, total, _, commits, keep, committed, last_message, contexts, skills, extracted, config = (
        found
    )
    return Session(
        uri.name, uri, created, updated, live, total, pending, commits, keep, committed, last_message, contexts, skills,
        json.loads(extracted), json.loads(config),
    )  # fmt: skip


def _tokens_outside(c: apsw.Connection, session: int, keep: int, tokens: int) -> int:
    """Tokens of live messages but for the newest ``keep``."""
    (recent_tokens,) = fetch_one(
        c,
        "SELECT coalesce(sum(tokens), 0) FROM (SELECT m.tokens FROM message m JOIN node n ON n.id = m.node "
        f"WHERE m.session = ?1 AND m.ordinal > {archived_to('?1')} AND n.gone = 0 ORDER BY m.ordinal DESC LIMIT ?2)",
        (session, keep),
    )
    return tokens - int(recent_tokens)


def open_session(tx: WriteTx, op: OpenSession) -> None:
    """See ``commit.OpenSession``."""
    if _live_session(tx, uri_of(tx.caller, op.session_id)):
        if not op.exist_ok:
            raise Conflict(
                f"Session already exists: {op.session_id}", remedy="use it, or choose another id", code="ALREADY_EXISTS",
                details={"resource": op.session_id, "type": "session"},
            )  # fmt: skip
    else:
        _create(tx, op.session_id, op.config)
    tx.result.session = session(tx.c, tx.caller, op.session_id)


def _live_session(tx: WriteTx, uri: Uri) -> int:
    """The node of the session at an address, 0 if there is none (or only a bare directory)."""
    node = rows.find(tx.c, tx.caller.account, uri)
    return node if tx.c.execute("SELECT 1 FROM session WHERE node = ?", (node,)).fetchone() else 0


def _create(tx: WriteTx, session_id: str, config: dict[str, object]) -> int:
    uri = uri_of(tx.caller, session_id)
    node = tx.directory(uri)
    tx.directory(uri / "messages")
    tx.c.execute(
        "INSERT INTO session (node, owner, name, created, updated, config) VALUES (?,?,?,?,?,?)",
        (node, tx.partition_id(uri), session_id, tx.at, tx.at, json.dumps(config, ensure_ascii=False)),
    )
    return node


_END = f"""{PATH_CTE}
SELECT s.node, coalesce(f.id, 0), coalesce(o.id, 0), s.next_ordinal, s.last_chunk,
  (SELECT json_group_array(m.id) FROM json_each(?4) said CROSS JOIN message m ON m.session = s.node AND m.id = said.value)
FROM at CROSS JOIN session s ON s.node = at.id LEFT JOIN owner o ON o.account = ?2 AND o.user = ?3
LEFT JOIN node f ON f.parent = s.node AND f.name = 'messages' AND f.gone = 0 WHERE at.depth = json_array_length(?1)"""

_GROW = (
    "UPDATE session SET next_ordinal = ?, last_chunk = ?, live = live + ?, live_tokens = live_tokens + ?, updated = ?, "
    f"last_message = ? WHERE node = ? RETURNING {SESSION_COLUMNS}"
)


@dataclass(slots=True)
class _AppendState:
    """Where a session continues, updated while messages are appended and written back once. ``known_ids``: message ids it
    has."""

    node: int
    folder: int
    base: Uri
    partition_id: int
    ordinal: int
    last_chunk: int
    known_ids: set[str]
    added: int = 0
    tokens: int = 0


def append(tx: WriteTx, op: Append) -> None:
    """See ``commit.Append``."""
    uri = uri_of(tx.caller, op.session_id)
    ids = orjson.dumps([message.message.id for message in op.messages]).decode()
    where = (json_path(tx.caller.account, uri.parts), tx.caller.account, rows.partition_key(uri), ids)
    end = tx.c.execute(_END, where).fetchone()
    if end is None:
        _create(tx, op.session_id, op.config)
        end = fetch_one(tx.c, _END, where)
    node, folder, partition_id, ordinal, last_chunk, known_ids = end
    tx.remember_partition(uri, partition_id)
    base = uri / "messages"
    state = _AppendState(
        node,
        folder or tx.directory(base),
        base,
        tx.partition_id(uri),
        ordinal,
        last_chunk,
        set(orjson.loads(known_ids)),
    )
    for message in op.messages:
        _append_one(tx, message, state)
    tx.result.messages_added += state.added
    tx.result.messages_seen += len(op.messages) - state.added
    now = tx.result.session = _store_appended(tx, state, uri)
    if op.due is not None and state.added and due(now, tx.at):
        enqueue(tx, op.due)


def _store_appended(tx: WriteTx, state: _AppendState, uri: Uri) -> Session:
    """The session after what was appended."""
    if not state.added:
        return _at(tx.c, state.node, uri)
    values = (state.ordinal, state.last_chunk, state.added, state.tokens, tx.at, tx.at, state.node)
    return _session(tx.c, fetch_one(tx.c, _GROW, values), uri)


def _append_one(tx: WriteTx, new: NewMessage, state: _AppendState) -> None:
    message = new.message
    if message.id in state.known_ids:
        return
    state.known_ids.add(message.id)
    speaker = message.peer_id or message.role
    node = tx.insert(
        state.folder, Uri((*state.base.parts, f"{message.id}.md")), MESSAGE, size=len(message.text.encode()),
        media="text/markdown", event_at=message.at, speaker=speaker,
    )  # fmt: skip
    message_rows.insert(tx.c, node, state.node, state.ordinal, message)
    state.last_chunk = insert_chunks(
        tx, node, state.partition_id, 1, new.chunks, kind=KIND_MESSAGE, group=state.node, previous=state.last_chunk,
        at=message.at, speaker=speaker,
    )  # fmt: skip
    for file in new.attached:
        put_file(tx, file)
    state.ordinal += 1
    state.added += 1
    state.tokens += message.tokens


def messages(
    c: apsw.Connection,
    caller: Caller,
    session_id: str,
    archive: int | None,
    after: int,
    limit: int,
    *,
    newest: bool = False,
) -> list[Message]:
    """See ``ports.ledger.Sessions.messages``; forgotten messages are left out."""
    node, folder = node_of(c, caller, session_id), uri_of(caller, session_id) / "messages"
    before, last = _ordinals(c, node, archive)
    found = fetch_all(
        c,
        f"SELECT {message_rows.COLUMNS} FROM message m CROSS JOIN node n ON n.id = m.node WHERE m.session = ? "
        f"AND m.ordinal > ? AND m.ordinal <= ? AND n.gone = 0 ORDER BY m.ordinal {'DESC' if newest else 'ASC'} LIMIT ?",
        (node, max(after, before), last, limit),
    )
    return [message_from(values, folder) for values in (reversed(found) if newest else found)]


def _ordinals(c: apsw.Connection, node: int, archive: int | None) -> tuple[int, int]:
    """The ordinal before a part of a session, and its last one. ``archive``: as for ``messages``."""
    if archive is None:
        return -1, ORDINAL_MAX
    if archive == 0:
        return fetch_one(c, f"SELECT {archived_to('?')}", (node,))[0], ORDINAL_MAX
    query = "SELECT number, last FROM archive WHERE session = ? AND number IN (?, ?)"
    last = dict(fetch_all(c, query, (node, archive - 1, archive)))
    return last.get(archive - 1, -1), last.get(archive, -1)


def message(c: apsw.Connection, caller: Caller, uri: Uri) -> Message:
    rows.check_access(caller, uri)
    found = message_rows.find(c, rows.find(c, caller.account, uri), uri)
    if found is None:
        raise rows.missing(uri, "message")
    return found


def count_extracted(tx: WriteTx, node: int, more: dict[str, int]) -> None:
    """Add to how many memories of each type were made of a session."""
    extracted = json.loads(fetch_one(tx.c, "SELECT extracted FROM session WHERE node = ?", (node,))[0])
    for kind, count in more.items():
        extracted[kind] = extracted.get(kind, 0) + count
    tx.c.execute("UPDATE session SET extracted = ? WHERE node = ?", (json.dumps(extracted), node))


def configure(tx: WriteTx, op: ConfigureSession) -> None:
    """See ``commit.ConfigureSession``."""
    node = node_of(tx.c, tx.caller, op.session_id)
    config_json, archives = fetch_one(tx.c, "SELECT config, commits FROM session WHERE node = ?", (node,))
    config = json.loads(config_json)
    moved_on = op.archives is not None and op.archives != archives
    if moved_on or any(config.get(key) != value for key, value in op.expect.items()):
        what = "was committed" if moved_on else "has other settings"
        raise Conflict(
            f"the session {op.session_id} {what} meanwhile",
            remedy="read them again",
            code="ABORTED",
            details={"resource": op.session_id, "retryable": True},
        )
    _set_config(tx, node, {k: v for k, v in {**config, **op.config}.items() if v is not None})
    if op.extracted:
        count_extracted(tx, node, op.extracted)
    tx.result.session = _at(tx.c, node, uri_of(tx.caller, op.session_id))


def _set_config(tx: WriteTx, node: int, config: dict[str, Any]) -> None:
    tx.c.execute(
        "UPDATE session SET config = ?, updated = ? WHERE node = ?",
        (json.dumps(config, ensure_ascii=False), tx.at, node),
    )


def note_recall(tx: WriteTx, op: NoteRecall) -> None:
    """See ``commit.NoteRecall``."""
    node = node_of(tx.c, tx.caller, op.session_id)
    now = _at(tx.c, node, uri_of(tx.caller, op.session_id))
    _set_config(tx, node, {**now.config, KEY: log_of(now).after(op.recalled, op.turn)})


def mark_used(tx: WriteTx, op: MarkUsed) -> None:
    """See ``commit.MarkUsed``."""
    node = node_of(tx.c, tx.caller, op.session_id)
    tx.c.execute(
        "UPDATE session SET contexts_used = contexts_used + ?, skills_used = skills_used + ? WHERE node = ?",
        (len(op.uris), op.skills, node),
    )
    tx.result.session = _at(tx.c, node, uri_of(tx.caller, op.session_id))
