"""Rows of messages: written with a hash of what the message says, which is compared whenever it is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import apsw
import msgspec

from recalld.adapters.sqlite.database.sql import fetch_all
from recalld.domain.errors import Corrupt
from recalld.domain.session import Message
from recalld.domain.uri import Uri

CONTENT = "id, role, parts, text, created_at, at, peer_id, turn_id, kind, source_ids"
"""What never changes once a message is written, and what its hash covers."""
COLUMNS = ", ".join(f"m.{column}" for column in f"{CONTENT}, hash, ordinal, tokens".split(", ")) + (
    ", coalesce((SELECT a.number FROM archive a WHERE a.session = m.session AND a.last >= m.ordinal "
    "ORDER BY a.last, a.number LIMIT 1), 0)"
)
"""Of ``message m``, as ``message_from`` takes them."""
# Bytes that are no UTF-8 can be compared, and not read as text.
_RAW_CONTENT = ", ".join("at" if column == "at" else f"CAST({column} AS BLOB)" for column in CONTENT.split(", "))
_INSERT = f"INSERT INTO message (node, session, {CONTENT}, hash, ordinal, tokens) VALUES ({','.join('?' * 15)})"
_json = json.JSONEncoder(ensure_ascii=False).encode
HASH_BYTES = 16
HASHED_MAX = 500
"""Older messages that get their hash in one slice: about 5 ms of the writer."""


def archived_to(session: str) -> str:
    """SQL for the ordinal of a session's last archived message, -1 if none is. ``session``: SQL for its node."""
    return f"coalesce((SELECT max(last) FROM archive WHERE session = {session}), -1)"


def insert(c: apsw.Connection, node: int, session: int, ordinal: int, message: Message) -> None:
    """Store a message."""
    content = (
        message.id, message.role, _json(message.parts), message.text, message.created_at,
        float(message.at), message.peer_id, message.turn_id, message.kind, _json(message.source_message_ids),
    )  # fmt: skip
    c.execute(_INSERT, (node, session, *content, hash_of(content), ordinal, message.tokens))


def hash_of(content: Sequence[Any]) -> bytes:
    """Over the values of ``CONTENT``."""
    id_, role, parts, text, created_at, at, peer, turn, kind, sources = content
    whole = f"{id_}\0{role}\0{parts}\0{text}\0{created_at}\0{at!r}\0{peer}\0{turn}\0{kind}\0{sources}"
    return hashlib.sha256(whole.encode("utf-8", "surrogateescape")).digest()[:HASH_BYTES]


def message_from(found: Sequence[Any], folder: Uri) -> Message:
    """A ``Message`` from ``COLUMNS``; ``folder``: the directory it lies in. Raises ``Corrupt``."""
    content, (hash_, ordinal, tokens, archive) = found[:10], found[10:]
    id_, role, parts, text, created_at, at, peer, turn, kind, sources = content
    if not _is_intact(content, hash_):
        uri = Uri((*folder.parts, f"{id_}.md"))
        raise Corrupt(
            f"the message {uri} is damaged: it is not what was written",
            remedy="remove it, or restore a backup; `check` names everything that is damaged",
            details={"uri": str(uri)},
        )
    return Message(
        id_, role, tuple(_parsed(parts)), text, created_at, at, peer, turn, kind, tuple(_parsed(sources)),
        ordinal, archive, tokens,
    )  # fmt: skip


def find(c: apsw.Connection, node: int, uri: Uri) -> Message | None:
    """The message of a node at this address."""
    found = c.execute(f"SELECT {COLUMNS} FROM message m WHERE m.node = ?", (node,)).fetchone()
    return message_from(found, uri.parent) if found else None


def _parsed(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:  # NaN, which Python writes
        return json.loads(text)


def text_to_embed(c: apsw.Connection, node: int) -> str:
    """A message's text; "" if it is damaged: its readers get an error, and no wrong text is embedded."""
    found = fetch_all(c, f"SELECT hash, {_RAW_CONTENT} FROM message WHERE node = ?", (node,))
    if not found:
        return ""
    content = _decoded(found[0][1:])
    return str(content[3]) if _is_intact(content, found[0][0]) else ""


def _is_intact(content: Sequence[Any], hash_: bytes | None) -> bool:
    # None: a message of an older store that verification has not come to.
    return hash_ is None or hash_of(content) == hash_


def _decoded(raw: Sequence[Any]) -> list[Any]:
    return [value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value for value in raw]


# ------------------------------------------------------------------ verification
@dataclass(slots=True)
class MessageSlice:
    """Messages that were compared with their hashes: ``intact`` and ``damaged`` nodes, ``size`` in characters, hashes and
    nodes of those that had none, the node after which to go on (0 = at the end)."""

    intact: list[int] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)
    size: int = 0
    hashes: list[tuple[bytes, int]] = field(default_factory=list)
    after: int = 0


def verify_after(c: apsw.Connection, after: int, size_max: int, count_max: int) -> MessageSlice:
    """Compare the next messages with their hashes, one at least; forgotten ones are left out."""
    done = MessageSlice()
    living = "EXISTS (SELECT 1 FROM node n WHERE n.id = message.node AND n.gone = 0)"
    query = f"SELECT node, hash, {_RAW_CONTENT} FROM message WHERE node > ? AND {living} ORDER BY node"
    for count, (node, hash_, *raw) in enumerate(c.execute(query, (after,)), 1):
        content = _decoded(raw)
        done.size += len(str(content[2])) + len(str(content[3]))
        (done.intact if _is_intact(content, hash_) else done.damaged).append(node)
        if hash_ is None:
            done.hashes.append((hash_of(content), node))
        if done.size >= size_max or count >= count_max or len(done.hashes) >= HASHED_MAX:
            done.after = node
            break
    return done


def set_hashes(c: apsw.Connection, hashes: Sequence[tuple[bytes, int]]) -> None:
    """Give messages of an older store their hash."""
    c.executemany("UPDATE message SET hash = ? WHERE node = ? AND hash IS NULL", hashes)


_NAMES = """
WITH RECURSIVE up(parent, name, depth) AS (
  SELECT parent, name, 0 FROM node WHERE id = ?
  UNION ALL SELECT n.parent, n.name, up.depth + 1 FROM up JOIN node n ON n.id = up.parent)
SELECT name FROM up WHERE parent <> 0 ORDER BY depth DESC"""


def address_of(c: apsw.Connection, node: int) -> Uri:
    """Where a message lies, or lay."""
    return Uri(tuple(name for (name,) in fetch_all(c, _NAMES, (node,))))
