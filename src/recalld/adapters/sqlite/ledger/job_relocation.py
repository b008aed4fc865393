"""Jobs about an address, when what lies there moves or is copied."""

from __future__ import annotations

import json

from recalld.adapters.sqlite.database.sql import every
from recalld.domain.uri import Uri

from .job_merging import KEEP_TASK, NEWER_PAYLOAD, own_key
from .transaction import Pen

_IMPORTS = (
    "SELECT id, key, payload, json_extract(payload, '$.root') AS root, task FROM job "
    "WHERE state IN ('pending', 'running') AND lane = 'bulk' AND account = :account AND kind = 'import' "
    "AND (root = :top OR substr(root, 1, length(:top) + 1) = :top || '/')"
)
COLUMNS = "kind, account, user, role, lane, attempts, created, not_before, task"


def follow(pen: Pen, source: Uri, to: Uri, *, stay: bool) -> None:
    """Have jobs about an address (``payload.uri``) at or below ``source`` done at the same place below ``to``.

    ``stay``: done there as well (a copy). A running job may have read the old address already: it is left to end, and a
    new one waits behind it.
    """
    found = every(
        pen.c,
        "SELECT id, state, key, payload, json_extract(payload, '$.uri') AS uri, task FROM job "
        "WHERE state IN ('pending', 'running') AND account = :account "
        "AND (uri = :top OR substr(uri, 1, length(:top) + 1) = :top || '/')",
        {"account": pen.caller.account, "top": str(source)},
    )
    for job, state, key, payload, uri, task in found:
        there = str(to) + uri[len(str(source)) :]
        new_key = own_key(pen.c, key.replace(uri, there), task)
        pen.c.execute(
            f"INSERT INTO job (key, payload, {COLUMNS}) SELECT ?, ?, {COLUMNS} FROM job WHERE id = ? "
            f"ON CONFLICT (key) WHERE state = 'pending' DO UPDATE SET payload = {NEWER_PAYLOAD}, {KEEP_TASK}, "
            "not_before = min(not_before, excluded.not_before)",
            (new_key, json.dumps({**json.loads(payload), "uri": there}, ensure_ascii=False), job),
        )
        if state == "pending" and not stay:
            pen.c.execute("DELETE FROM job WHERE id = ?", (job,))
    pen.outcome.wakes |= bool(found)
    if not stay:
        _move_imports(pen, source, to)


def _move_imports(pen: Pen, source: Uri, to: Uri) -> None:
    """Imports into what moves go along. One that runs finds the new address in its task, since the ledger refuses what it
    would write at the old one (``commit.Anchor``)."""
    for job, key, payload, root, task in _imports(pen, source):
        there = str(to) + root[len(str(source)) :]
        pen.c.execute(
            "UPDATE job SET key = ?, payload = ? WHERE id = ?",
            (key.replace(root, there), json.dumps({**json.loads(payload), "root": there}, ensure_ascii=False), job),
        )
        pen.c.execute("UPDATE task SET resource = ? WHERE id = ?", (there, task))


def cancel_imports(pen: Pen, top: Uri) -> None:
    """Imports into what is removed are cancelled with it: nothing of them comes back."""
    for job, _, _, _, task in _imports(pen, top):
        pen.outcome.wakes = True
        pen.c.execute("DELETE FROM job WHERE id = ?", (job,))
        pen.c.execute(
            "UPDATE task SET status = 'cancelled', stage = 'its place was removed', updated = ? "
            "WHERE id = ? AND status NOT IN ('completed', 'failed', 'cancelled')",
            (pen.at, task),
        )


def _imports(pen: Pen, top: Uri) -> list[tuple[int, str, str, str, str]]:
    """(job, key, payload, root, task) of the imports under way at or below an address."""
    return every(pen.c, _IMPORTS, {"account": pen.caller.account, "top": str(top)})
