"""Tiers that a language model has still to write, its earlier outputs, and the cost of provider calls."""

from __future__ import annotations

import apsw

from recalld.domain.caller import Caller
from recalld.domain.commit import KeepMade, RecordUsage
from recalld.domain.document import Tiers
from recalld.domain.node import ContextType
from recalld.domain.uri import Uri
from recalld.ports.maintenance import ProviderUsage
from recalld.rules.address import context_type, session_of
from recalld.rules.generation_cache_key import FAILED, OVER_BUDGET

from . import rows
from .transaction import WriteTx

SCANNED_MAX = 20_000
ERROR_CHARS_MAX = 300
_UNWRITTEN = (
    "SELECT n.id FROM node n JOIN tier t ON t.node = n.id WHERE n.owner = :owner AND n.gone = 0 AND n.kind < 2 AND ("
    "t.made_by NOT IN (:by, :failed, :kept, 'caller') AND substr(t.made_by, 1, 7) <> 'caller:' "
    "OR t.made_by = :by AND n.kind = 0 AND n.stale > 0) ORDER BY n.id DESC"
)


def unwritten(c: apsw.Connection, caller: Caller, by: str, limit: int) -> list[int]:
    partition_id = rows.partition_of(c, caller.account, caller.user)
    paths = rows.PathResolver(c, caller.account)
    found: list[tuple[int, tuple[str, ...], int]] = []
    for (node,) in c.execute(_UNWRITTEN, {"owner": partition_id, "by": by, "failed": by + FAILED, "kept": OVER_BUDGET}):
        path = paths.of(node)
        if path and _is_resource(path):
            found.append((-len(path), path, node))
            if len(found) == SCANNED_MAX:
                break
    return [node for _, _, node in sorted(found)[:limit]]


def _is_resource(path: tuple[str, ...]) -> bool:
    """Memories are what they quote, skills what their authors say of them, and a user's own root changes with every memory;
    sessions and private things have no tiers."""
    uri = Uri(path)
    if path[0] != "resources" and len(path) < 3:
        return False
    shown = not any(part.startswith(".") for part in path)
    return shown and context_type(uri) is ContextType.RESOURCE and not session_of(uri) and not rows.is_private(path)


def cached_tiers(c: apsw.Connection, key: str) -> Tiers | None:
    found = c.execute("SELECT abstract, overview FROM made WHERE key = ?", (key,)).fetchone()
    return Tiers(*found) if found else None


def cache_tiers(tx: WriteTx, op: KeepMade) -> None:
    """See ``commit.KeepMade``."""
    tx.c.execute(
        "INSERT OR REPLACE INTO made (key, account, user, abstract, overview, at) VALUES (?,?,?,?,?,?)",
        (op.key, tx.caller.account, tx.caller.user, op.tiers.abstract, op.tiers.overview, tx.at),
    )


def drop_cached_tiers(c: apsw.Connection, before: float, limit: int) -> int:
    """Drop outputs generated before that moment: those in use are stored as tiers. Returns how many."""
    c.execute("DELETE FROM made WHERE key IN (SELECT key FROM made WHERE at < ? LIMIT ?)", (before, limit))
    return int(c.changes())


def record_usage(tx: WriteTx, op: RecordUsage) -> None:
    """See ``commit.RecordUsage``."""
    tx.c.execute(
        "INSERT INTO spent (day, account, provider, operation, calls, tokens_in, tokens_out, refused, said, at) "
        "VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, "
        "tokens_in = tokens_in + excluded.tokens_in, tokens_out = tokens_out + excluded.tokens_out, "
        "refused = refused + excluded.refused, said = excluded.said, at = excluded.at",
        (
            op.day, tx.caller.account, op.provider, op.operation, op.calls, op.tokens_in, op.tokens_out, op.refused,
            op.error[:ERROR_CHARS_MAX], tx.at,
        ),
    )  # fmt: skip


def provider_usage(c: apsw.Connection, since: str, account: str, whole: bool) -> list[ProviderUsage]:
    head, by = ("'', ''", "provider, operation") if whole else ("day, account", "day, account, provider, operation")
    return [
        ProviderUsage(*found)
        for found in c.execute(
            f"SELECT {head}, provider, operation, sum(calls), sum(tokens_in), sum(tokens_out), sum(refused), "
            # SQLite takes a bare column from the row that has the max.
            f"max(at), said FROM spent "
            f"WHERE day >= ? AND (? = '' OR account = ?) GROUP BY {by} ORDER BY {by}",
            (since, account, account),
        )
    ]
