"""Jobs about an address that moves or is copied."""

from __future__ import annotations

import json

from recalld.adapters.sqlite.database.sql import fetch_all
from recalld.domain.uri import Uri

from .job_merging import MERGED_PAYLOAD, MERGED_TASK, pending_key
from .transaction import WriteTx

_IMPORTS = (
    "SELECT id, key, payload, json_extract(payload, '$.root') AS root, task FROM job "
    "WHERE state IN ('pending', 'running') AND lane = 'bulk' AND account = :account AND kind = 'import' "
    "AND (root = :top OR substr(root, 1, length(:top) + 1) = :top || '/')"
)
COLUMNS = "kind, account, user, role, lane, attempts, created, not_before, task"


def follow(tx: WriteTx, source: Uri, to: Uri, *, stay: bool) -> None:
    """Redirect jobs about an address (``payload.uri``) at or below ``source`` to the same place below ``to``.

    ``stay``: keep the old job as well (a copy). A running job may have read the old address already: it is left to end, and
    a new one waits behind it.
    """
    found = fetch_all(
        tx.c,
        "SELECT id, state, key, payload, json_extract(payload, '$.uri') AS uri, task FROM job "
        "WHERE state IN ('pending', 'running') AND account = :account "
        "AND (uri = :top OR substr(uri, 1, length(:top) + 1) = :top || '/')",
        {"account": tx.caller.account, "top": str(source)},
    )
    for job, state, key, payload, uri, task in found:
        there = str(to) + uri[len(str(source)) :]
        new_key = pending_key(tx.c, key.replace(uri, there), task)
        tx.c.execute(
            f"INSERT INTO job (key, payload, {COLUMNS}) SELECT ?, ?, {COLUMNS} FROM job WHERE id = ? "
            f"ON CONFLICT (key) WHERE state = 'pending' DO UPDATE SET payload = {MERGED_PAYLOAD}, {MERGED_TASK}, "
            "not_before = min(not_before, excluded.not_before)",
            (new_key, json.dumps({**json.loads(payload), "uri": there}, ensure_ascii=False), job),
        )
        if state == "pending" and not stay:
            tx.c.execute("DELETE FROM job WHERE id = ?", (job,))
    tx.result.jobs_changed |= bool(found)
    if not stay:
        _move_imports(tx, source, to)


def _move_imports(tx: WriteTx, source: Uri, to: Uri) -> None:
    """Imports into what moves move too. A running one finds the new address in its task, since the ledger refuses writes at
    the old one (``commit.Anchor``)."""
    for job, key, payload, root, task in _imports(tx, source):
        there = str(to) + root[len(str(source)) :]
        tx.c.execute(
            "UPDATE job SET key = ?, payload = ? WHERE id = ?",
            (key.replace(root, there), json.dumps({**json.loads(payload), "root": there}, ensure_ascii=False), job),
        )
        tx.c.execute("UPDATE task SET resource = ? WHERE id = ?", (there, task))


def cancel_imports(tx: WriteTx, top: Uri) -> None:
    """Cancel imports into what is removed."""
    for job, _, _, _, task in _imports(tx, top):
        tx.result.jobs_changed = True
        tx.c.execute("DELETE FROM job WHERE id = ?", (job,))
        tx.c.execute(
            "UPDATE task SET status = 'cancelled', stage = 'its place was removed', updated = ? "
            "WHERE id = ? AND status NOT IN ('completed', 'failed', 'cancelled')",
            (tx.at, task),
        )


def _imports(tx: WriteTx, top: Uri) -> list[tuple[int, str, str, str, str]]:
    """(job, key, payload, root, task) of the imports under way at or below an address."""
    return fetch_all(tx.c, _IMPORTS, {"account": tx.caller.account, "top": str(top)})
