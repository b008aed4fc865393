"""Integrity check: what must hold between the tables, reported and repaired."""

from __future__ import annotations

import apsw

from recalld.adapters.sqlite.database.sql import fetch_all, fetch_one

from .chunks import index_chunk
from .message_rows import archived_to

Check = tuple[str, str, str]
CHECKS: tuple[Check, ...] = (
    ("chunks without a node", "chunk WHERE node NOT IN (SELECT id FROM node)", "DELETE FROM "),
    ("vectors without a chunk", "vector WHERE chunk NOT IN (SELECT id FROM chunk)", "DELETE FROM "),
    ("entries to embed without a chunk", "unembedded WHERE chunk NOT IN (SELECT id FROM chunk)", "DELETE FROM "),
    ("tiers without a node", "tier WHERE node NOT IN (SELECT id FROM node)", "DELETE FROM "),
    ("messages without a node", "message WHERE node NOT IN (SELECT id FROM node)", "DELETE FROM "),
    ("nodes without a parent", "node WHERE parent <> 0 AND parent NOT IN (SELECT id FROM node)", "DELETE FROM "),
    ("removed entries without a node", "trash WHERE node NOT IN (SELECT id FROM node)", "DELETE FROM "),
    ("removed entries that live", "trash WHERE node IN (SELECT id FROM node WHERE gone = 0)", "DELETE FROM "),
    # Then their bytes may be written again; files that still name them are reported below.
    ("grown contents without their stream", "grown WHERE stream NOT IN (SELECT id FROM stream)", "DELETE FROM "),
    ("streams without a version", "stream WHERE id NOT IN (SELECT stream FROM grown)", "DELETE FROM "),
    ("segments without a stream", "segment WHERE stream NOT IN (SELECT id FROM stream)", "DELETE FROM "),
    (
        "files without content",
        "node WHERE kind = 1 AND size > 0 AND hash NOT IN (SELECT hash FROM blob UNION ALL SELECT hash FROM grown)",
        "",
    ),
)
_UNLISTED = "FROM node n LEFT JOIN log l ON l.seq = n.gone WHERE n.gone > 0 AND n.id NOT IN (SELECT node FROM trash)"


def check(c: apsw.Connection, repair: bool) -> list[str]:
    """See ``ports.maintenance.Maintenance.check``. What cannot be repaired here is only reported."""
    problems = _page_faults(c, repair)
    try:
        return problems + _table_faults(c, repair) + _index_faults(c, repair) + _session_faults(c, repair)
    except apsw.CorruptError as damaged:
        # What cannot be read cannot be compared. Derived parts are examined, and rebuilt, before this.
        return [*problems, f"the store is damaged: {damaged}"]


def _page_faults(c: apsw.Connection, repair: bool) -> list[str]:
    """What SQLite finds wrong with its pages; table indexes are rebuilt."""
    try:
        problems = [str(r[0]) for r in c.execute("PRAGMA quick_check(5)") if r[0] != "ok"]
    except apsw.CorruptError as damaged:
        problems = [str(damaged)]
    if problems and repair:
        try:
            c.execute("REINDEX").fetchall()
        except apsw.Error as refused:
            problems.append(f"indexes could not be made again: {refused}")
    return [f"the store's pages: {fault}" for fault in problems]


def _table_faults(c: apsw.Connection, repair: bool) -> list[str]:
    """Rows that contradict each other."""
    problems = []
    for what, where, repair_sql in CHECKS:
        count = fetch_one(c, f"SELECT count(*) FROM {where}")[0]
        if count:
            problems.append(f"{count} {what}" + (" (removed)" if repair and repair_sql else ""))
            if repair and repair_sql:
                c.execute(repair_sql + where)
    unlisted = fetch_all(c, f"SELECT n.id, l.at {_UNLISTED}")
    if unlisted:
        problems.append(f"{len(unlisted)} removed nodes that are not listed" + (" (listed)" if repair else ""))
        if repair:
            c.execute(f"INSERT INTO trash (node, at) SELECT n.id, coalesce(l.at, 0) {_UNLISTED}")
    for partition_id, chunks, terms, real, real_terms in fetch_all(
        c,
        "SELECT o.id, o.chunks, o.terms, count(k.id), coalesce(sum(k.length), 0) "
        "FROM owner o LEFT JOIN chunk k ON k.owner = o.id GROUP BY o.id",
    ):
        if (chunks, terms) != (real, real_terms):
            problems.append(
                f"partition {partition_id} counts {chunks} chunks and has {real}" + (" (corrected)" if repair else "")
            )
            if repair:
                c.execute("UPDATE owner SET chunks = ?, terms = ? WHERE id = ?", (real, real_terms, partition_id))
    return problems


def _index_faults(c: apsw.Connection, repair: bool) -> list[str]:
    """Full-text entries and chunks must correspond one to one."""
    problems = []
    orphans = fetch_all(c, "SELECT id FROM fts_docsize WHERE id NOT IN (SELECT id FROM chunk)")
    lost = fetch_all(c, "SELECT id, owner, terms FROM chunk WHERE id NOT IN (SELECT id FROM fts_docsize)")
    if orphans:
        problems.append(f"{len(orphans)} full-text entries without a chunk" + (" (removed)" if repair else ""))
    if lost:
        problems.append(f"{len(lost)} chunks without a full-text entry" + (" (indexed again)" if repair else ""))
    for (chunk,) in orphans if repair else ():
        c.execute("DELETE FROM fts WHERE rowid = ?", (chunk,))
    for chunk, partition_id, terms in lost if repair else ():
        index_chunk(c, chunk, partition_id, terms.split())
    return problems


def _session_faults(c: apsw.Connection, repair: bool) -> list[str]:
    """A session's counters must match its living messages without an archive."""
    wrong = fetch_all(
        c,
        "SELECT s.node, count(m.node), coalesce(sum(m.tokens), 0) FROM session s LEFT JOIN (message m JOIN node n "
        f"ON n.id = m.node AND n.gone = 0) ON m.session = s.node AND m.ordinal > {archived_to('s.node')} GROUP BY s.node "
        "HAVING count(m.node) <> s.live OR coalesce(sum(m.tokens), 0) <> s.live_tokens",
    )
    for session, live, tokens in wrong if repair else ():
        c.execute("UPDATE session SET live = ?, live_tokens = ? WHERE node = ?", (live, tokens, session))
    return [f"{len(wrong)} sessions miscount their messages" + (" (corrected)" if repair else "")] if wrong else []
