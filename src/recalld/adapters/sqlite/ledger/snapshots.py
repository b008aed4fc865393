"""Snapshots inside the writer's transaction: a row that names a place in the log, and the entry that says so.

A snapshot holds nothing of its own. Its row and its entry are one commit: after a crash at any instant either both are
there or neither, and what they name was durable before, since the place they name lies at or before the log's end.
"""

from __future__ import annotations

import json

from recalld.adapters.sqlite.database.sql import fetch_one
from recalld.domain.commit import MarkSnapshot, SetIgnore
from recalld.domain.errors import Conflict, Invalid
from recalld.domain.uri import Uri

from .transaction import WriteTx

# The users whose trees live, since which entry of the log: a user of a removed one's name is another.
_LIVING = (
    "living AS MATERIALIZED (SELECT r.name AS account, u.name AS user, (SELECT min(seq) FROM log WHERE node = u.id) AS since "
    "FROM node r JOIN node t ON t.parent = r.id AND t.name = 'user' AND t.gone = 0 JOIN node u ON u.parent = t.id "
    "AND u.gone = 0 WHERE r.parent = 0 AND r.gone = 0)"
)
_NAMED = (
    "named AS (SELECT l.seq, l.account, l.after, substr(l.uri, 1, 14) = 'viking://user/' AS own, substr(l.uri, 15) || '/' AS "
    "rest FROM log l CROSS JOIN newest n ON n.account = l.account WHERE l.seq <= n.seq AND l.after <> '')"
)
NEEDED = (
    "newest AS MATERIALIZED (SELECT account, max(seq) AS seq FROM snapshot GROUP BY account), "
    f"{_LIVING}, {_NAMED}, needed AS (SELECT after FROM named WHERE NOT own OR ("
    "substr(rest, instr(rest, '/') + 1, 9) <> 'sessions/' AND substr(rest, instr(rest, '/') + 1, 8) <> 'privacy/' "
    "AND EXISTS (SELECT 1 FROM living v WHERE v.account = named.account AND v.since <= named.seq "
    "AND v.user = substr(rest, 1, instr(rest, '/') - 1))))"
)
"""Common tables, the last of them ``needed``: contents that must stay for snapshots. These are all that the log names up to
the place that an account's newest snapshot names, but for sessions, private values, and users who have been removed: no
snapshot shows those, and what was deleted for good must not live on in one."""


def mark(tx: WriteTx, op: MarkSnapshot) -> None:
    """See ``commit.MarkSnapshot``."""
    new = op.snapshot
    (end,) = fetch_one(tx.c, "SELECT coalesce(max(seq), 0) FROM log")
    if new.seq > end:
        raise Invalid(f"entry {new.seq} lies beyond the log's end", remedy=f"name one up to {end}")
    head = tx.c.execute(
        "SELECT oid FROM snapshot WHERE account = ? AND branch = ? ORDER BY seq DESC LIMIT 1",
        (tx.caller.account, new.branch),
    ).fetchone()
    # What lay in a removed directory has no young entry that would keep it from being pruned: look again, without it.
    cut_off = tx.c.execute(
        "SELECT 1 FROM log WHERE seq > ? AND account = ? AND op = 'remove' AND before = '' LIMIT 1",
        (new.seq, tx.caller.account),
    ).fetchone()
    if (head[0] if head else "") != new.parent or cut_off:
        raise Conflict(
            f"branch {new.branch} has moved on",
            remedy="try again",
            code="ABORTED",
            details={"resource": new.branch, "conflict_type": "git_ref_cas", "retryable": True},
        )
    author = {"name": new.author.name, "email": new.author.email}
    tx.c.execute(
        "INSERT INTO snapshot (oid, account, branch, seq, at, parent, message, author, tree, paths, rules) "
        "VALUES (?,?,?,?,?,?,?,?,?,?,?)",
        (
            new.oid, tx.caller.account, new.branch, new.seq, new.at, new.parent, new.message,
            json.dumps(author, ensure_ascii=False), new.tree, json.dumps(new.paths, ensure_ascii=False), new.ignore,
        ),
    )  # fmt: skip
    tx.log("snapshot", 0, Uri(), detail={"oid": new.oid, "branch": new.branch, "seq": new.seq})


def set_ignore(tx: WriteTx, op: SetIgnore) -> None:
    """See ``commit.SetIgnore``."""
    key = f"ovgitignore/{tx.caller.account}"
    if op.text:
        tx.c.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, op.text))
    else:
        tx.c.execute("DELETE FROM meta WHERE key = ?", (key,))
    tx.log("ignore", 0, Uri())
