"""Jobs about an address, when what lies there moves or is copied."""

from __future__ import annotations

import json

from recalld.domain.uri import Uri
from recalld.infra.lookup import every

from .pen import Pen

COLUMNS = "kind, account, user, role, lane, attempts, created, not_before, task"


def follow(pen: Pen, source: Uri, to: Uri, *, stay: bool) -> None:
    """Have jobs about an address (``payload.uri``) at or below ``source`` done at the same place below ``to``.

    ``stay``: done there as well (a copy). A running job may have read the old address already: it is left to end, and a
    new one waits behind it.
    """
    found = every(
        pen.c,
        "SELECT id, state, key, payload, json_extract(payload, '$.uri') AS uri FROM job WHERE state IN ('pending', 'running') "
        "AND account = :account AND (uri = :top OR substr(uri, 1, length(:top) + 1) = :top || '/')",
        {"account": pen.caller.account, "top": str(source)},
    )
    for job, state, key, payload, uri in found:
        there = str(to) + uri[len(str(source)) :]
        pen.c.execute(
            f"INSERT INTO job (key, payload, {COLUMNS}) SELECT ?, ?, {COLUMNS} FROM job WHERE id = ? "
            "ON CONFLICT (key) WHERE state = 'pending' DO NOTHING",
            (key.replace(uri, there), json.dumps({**json.loads(payload), "uri": there}, ensure_ascii=False), job),
        )
        if state == "pending" and not stay:
            pen.c.execute("DELETE FROM job WHERE id = ?", (job,))
    pen.outcome.wakes |= bool(found)
