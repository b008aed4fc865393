"""Questions to the log about single changes: a page of it, one commit, one file's versions, how nodes stand now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import apsw
import orjson

from recalld.adapters.sqlite.database.sql import fetch_all, fetch_one, node_at
from recalld.domain.caller import Caller
from recalld.domain.history import DERIVED, FileVersion, LogEntry, LogFilter, LogPage, NodeState
from recalld.domain.node import Kind
from recalld.domain.uri import Uri
from recalld.rules.snapshots import tracked

SCANNED_MAX = 20_000
"""Entries one page looks at: a filter that matches few of them answers with a short page and where to go on."""
CHILDREN_MAX = 10_000
CHAIN_MAX = 64
KINDS = (Kind.DIRECTORY, Kind.FILE, Kind.MESSAGE)
_COLUMNS = "seq, at, actor, op, node, uri, before, after, cause, txn, detail"
_VISIBLE = (
    "account = :account AND (:all OR uri = :me OR substr(uri, 1, length(:me) + 1) = :me || '/' "
    "OR substr(uri, 1, 14) <> 'viking://user/')"
)


def log_page(c: apsw.Connection, caller: Caller, wanted: LogFilter, before: int, after: int, limit: int) -> LogPage:
    """Entries with ``after`` < seq < ``before`` (0: no bound) that the caller may see and ``wanted`` names, newest first."""
    found: list[LogEntry] = []
    last = go_on = 0
    rows = c.execute(
        f"SELECT {_COLUMNS}, {_VISIBLE} FROM log WHERE seq > :after AND (:before = 0 OR seq < :before) "
        "ORDER BY seq DESC LIMIT :most",
        {**_visible(caller), "after": after, "before": before, "most": SCANNED_MAX},
    )
    for scanned, row in enumerate(rows, 1):
        last = row[0]
        selected = row[3] in wanted.ops if wanted.ops else row[3] not in DERIVED
        entry = _entry(row) if row[-1] and selected else None
        if entry is not None and _matches(entry, wanted, caller):
            found.append(entry)
        if len(found) == limit or scanned == SCANNED_MAX:
            go_on = last
            break
    return LogPage(tuple(found), go_on, _sentences(c, [e.node for e in found if "/memories/" in e.uri]))


def _sentences(c: apsw.Connection, nodes: Sequence[int]) -> dict[int, str]:
    wanted = orjson.dumps(sorted(set(nodes))).decode()
    return dict(
        fetch_all(c, "SELECT t.node, t.abstract FROM json_each(?) w JOIN tier t ON t.node = w.value", (wanted,))
    )


def _visible(caller: Caller) -> dict[str, object]:
    return {"account": caller.account, "all": caller.sees_all, "me": f"viking://user/{caller.user}"}


def _entry(row: Sequence[Any]) -> LogEntry:
    seq, at, actor, op, node, uri, before, after, cause, txn, detail = row[:11]
    return LogEntry(seq, at, actor, op, node, uri, before, after, cause, txn, orjson.loads(detail) if detail else {})


def _matches(entry: LogEntry, wanted: LogFilter, caller: Caller) -> bool:
    if wanted.actor and entry.actor != wanted.actor:
        return False
    uri = Uri(tuple(entry.uri.removeprefix("viking://").split("/"))) if entry.uri != "viking://" else Uri()
    if caller.hides(uri.parts):
        return False
    return wanted.under is None or uri.under(wanted.under)


def entries_of(c: apsw.Connection, caller: Caller, commit: int, cause: str, limit: int) -> list[LogEntry]:
    """The entries of one commit (by the seq of any of them), or of all commits with a cause, that the caller may see."""
    values = {**_visible(caller), "limit": limit}
    if cause:
        sql = (
            f"SELECT {_COLUMNS} FROM log WHERE cause = :cause AND cause <> '' AND {_VISIBLE} ORDER BY seq LIMIT :limit"
        )
        found = fetch_all(c, sql, {**values, "cause": cause})
    else:
        named = c.execute("SELECT txn FROM log WHERE seq = ?", (commit,)).fetchone()
        if named is None:
            return []
        # A commit's entries follow each other without a gap: it was one transaction.
        first = named[0] or commit
        end = c.execute("SELECT seq FROM log WHERE seq > ? AND txn <> ? LIMIT 1", (first, first)).fetchone()
        sql = f"SELECT {_COLUMNS} FROM log WHERE seq >= :first AND seq < :end AND {_VISIBLE} ORDER BY seq LIMIT :limit"
        found = fetch_all(c, sql, {**values, "first": first, "end": end[0] if end else 1 << 62})
    entries = [_entry(row) for row in found]
    return [e for e in entries if _matches(e, LogFilter(), caller)]


_CHILDREN = "SELECT id FROM node WHERE parent = ? AND gone = 0 LIMIT ?"


def states(c: apsw.Connection, account: str, nodes: Sequence[int]) -> dict[int, NodeState]:
    """How nodes stand now; those that are erased have no state."""
    wanted = orjson.dumps(list(nodes)).decode()
    found = fetch_all(
        c,
        "SELECT n.id, n.kind, n.hash, n.tags, n.source, n.gone, EXISTS (SELECT 1 FROM trash t WHERE t.node = n.id AND t.erase = 0) "
        "FROM json_each(?) w JOIN node n ON n.id = w.value",
        (wanted,),
    )
    result = {}
    for id_, kind, hash_, tags, source, gone, in_trash in found:
        uri = _uri_of(c, account, id_, even_gone=bool(gone))
        alive = uri is not None and not gone
        children = fetch_all(c, _CHILDREN, (id_, CHILDREN_MAX)) if alive and KINDS[kind] is Kind.DIRECTORY else []
        below = tuple(child for (child,) in children)
        restorable = bool(gone and in_trash)
        result[id_] = NodeState(
            id_, KINDS[kind], alive, restorable, uri, hash_, tuple(orjson.loads(tags)), orjson.loads(source), below
        )
    return result


def _uri_of(c: apsw.Connection, account: str, node: int, *, even_gone: bool) -> Uri | None:
    """Where a node lies; with ``even_gone`` it may itself be removed, but nothing above it."""
    parts: list[str] = []
    at, first = node, even_gone
    for _ in range(CHAIN_MAX + 2):
        found = c.execute("SELECT parent, name, gone FROM node WHERE id = ?", (at,)).fetchone()
        if found is None or (found[2] and not first):
            return None
        at, name, first = found[0], found[1], False
        if at == 0:
            return Uri(tuple(reversed(parts))) if name == account else None
        parts.append(name)
    return None


def place_at(c: apsw.Connection, account: str, node: int, seq: int) -> Uri | None:
    """Where a node lay after log entry ``seq``, whatever became of it and of what was above it; None: it was not there."""
    parts: list[str] = []
    for _ in range(CHAIN_MAX + 2):
        found = c.execute(_SHAPED, (node, seq)).fetchone()
        if found is None or found[0] == "remove":
            return None
        data = orjson.loads(found[1])
        if data["parent"] == 0:
            return Uri(tuple(reversed(parts))) if data["name"] == account else None
        parts.append(str(data["name"]))
        node = int(data["parent"])
    return None


_SHAPED = (
    "SELECT op, detail FROM log WHERE node = ? AND seq <= ? AND op IN ('create', 'move', 'remove', 'restore') "
    "ORDER BY seq DESC LIMIT 1"
)


def occupants(c: apsw.Connection, account: str, uris: Sequence[Uri]) -> dict[Uri, int]:
    """The living nodes at these addresses."""
    found = {uri: node_at(c, account, uri.parts) for uri in uris}
    return {uri: node for uri, node in found.items() if node}


def seq_at(c: apsw.Connection, at: float) -> int:
    """The seq of the last entry made at or before a moment (by halving: entries are in order of time but for clock changes)."""
    low, high = 0, int(fetch_one(c, "SELECT coalesce(max(seq), 0) FROM log")[0])
    while low < high:
        middle = (low + high + 1) // 2
        (when,) = fetch_one(c, "SELECT at FROM log WHERE seq <= ? ORDER BY seq DESC LIMIT 1", (middle,))
        low, high = (middle, high) if when <= at else (low, middle - 1)
    return low


def versions(c: apsw.Connection, caller: Caller, uri: Uri, before: int, limit: int) -> list[FileVersion]:
    """What the file at an address held, newest first: of the node there now and of those that were made there before."""
    if not tracked(uri.parts, caller):
        return []
    living = node_at(c, caller.account, uri.parts)
    nodes = {node for (node,) in fetch_all(c, _CREATED_AT, (caller.account, str(uri)))} | (
        {living} if living else set()
    )
    found = fetch_all(
        c,
        f"SELECT {_OF_LOG} FROM json_each(:nodes) w JOIN log l ON l.node = w.value WHERE l.account = :account "
        "AND l.op IN ('create', 'write', 'move', 'remove', 'restore') AND (:before = 0 OR l.seq < :before) "
        "ORDER BY l.seq DESC LIMIT :limit",
        {"nodes": orjson.dumps(sorted(nodes)).decode(), "account": caller.account, "before": before, "limit": limit},
    )
    entries = [_entry(row) for row in found]
    entries += [e for e in _removed_above(c, uri, sorted(nodes - {living})) if not before or e.seq < before]
    entries = sorted(entries, key=lambda e: -e.seq)[:limit]
    hashes = [_hash_after(c, e) for e in entries]
    wanted = orjson.dumps(sorted(set(hashes))).decode()
    sizes = dict(
        fetch_all(
            c,
            "SELECT b.hash, b.size FROM json_each(?1) w JOIN blob b ON b.hash = w.value "
            "UNION ALL SELECT g.hash, g.size FROM json_each(?1) w JOIN grown g ON g.hash = w.value",
            (wanted,),
        )
    )
    return [
        FileVersion(
            e.seq,
            e.at,
            e.actor,
            e.op,
            e.uri,
            e.node,
            h,
            sizes.get(h, 0),
            e.cause,
            not h or h in sizes,
        )
        for e, h in zip(entries, hashes, strict=True)
    ]


_CREATED_AT = "SELECT node FROM log WHERE account = ? AND uri = ? AND op = 'create' AND instr(uri, '/sessions/') = 0"
_OF_LOG = ", ".join(f"l.{column}" for column in _COLUMNS.split(", "))


def _removed_above(c: apsw.Connection, uri: Uri, nodes: Sequence[int]) -> list[LogEntry]:
    """Entries that removed a directory and with it one of these nodes, as entries about that node."""
    found = []
    for node in nodes:
        rows = fetch_all(
            c,
            "WITH RECURSIVE up(id, parent, gone) AS (SELECT id, parent, gone FROM node WHERE id = ? UNION ALL "
            f"SELECT n.id, n.parent, n.gone FROM up JOIN node n ON n.id = up.parent) SELECT {_OF_LOG} FROM up "
            "JOIN log l ON l.seq = up.gone WHERE up.gone > 0 AND up.id <> ?",
            (node, node),
        )
        found += [replace(_entry(row), node=node, uri=str(uri), after="") for row in rows]
    return found


def _hash_after(c: apsw.Connection, entry: LogEntry) -> str:
    """The hash a file has after an entry; a move changes nothing of it."""
    if entry.op != "move":
        return entry.after
    found = c.execute(
        "SELECT after FROM log WHERE node = ? AND seq < ? AND op IN ('create', 'write', 'restore') ORDER BY seq DESC LIMIT 1",
        (entry.node, entry.seq),
    ).fetchone()
    return str(found[0]) if found else ""
