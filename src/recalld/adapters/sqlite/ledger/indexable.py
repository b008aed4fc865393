"""Every node the index may hold, page by page."""

from __future__ import annotations

import apsw

from recalld.adapters.sqlite.database.sql import fetch_all
from recalld.domain.caller import Caller
from recalld.domain.uri import Uri
from recalld.ports.maintenance import IndexableNode

from . import rows

_PAGE = """
SELECT n.id, n.kind, o.account, o.user, EXISTS (SELECT 1 FROM tier t WHERE t.node = n.id), n.gone
FROM node n LEFT JOIN owner o ON o.id = n.owner WHERE n.id > ? ORDER BY n.id LIMIT ?"""


def indexable(c: apsw.Connection, after: int, limit: int) -> tuple[list[IndexableNode], int]:
    found, page = [], fetch_all(c, _PAGE, (after, limit))
    paths: dict[str, rows.PathResolver] = {}
    for node, kind, account, user, tiered, gone in page:
        if account is None or gone:
            continue
        path = paths.setdefault(account, rows.PathResolver(c, account)).of(node)
        if path is None or rows.is_private(path):
            continue
        may = rows.has_tiers(path) and kind != rows.MESSAGE
        found.append(IndexableNode(Caller(account, user), rows.load(c, node, Uri(path)), may and not tiered))
    return found, page[-1][0] if page else 0
