"""Every node the index may hold, and every one whose texts an earlier derivation made, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw
import orjson

from recalld.adapters.sqlite.database.sql import fetch_all, fetch_one
from recalld.domain.caller import Caller
from recalld.domain.document import EXTRACTIVE_EARLIER
from recalld.domain.job import RederivePayload
from recalld.domain.results import Progress
from recalld.domain.uri import Uri
from recalld.ports.maintenance import IndexableNode

from . import rows

_PAGE = """
SELECT n.id, n.kind, o.account, o.user, EXISTS (SELECT 1 FROM tier t WHERE t.node = n.id), n.gone
FROM node n LEFT JOIN owner o ON o.id = n.owner WHERE n.id > ? ORDER BY n.id LIMIT ?"""

# A page for each author: the index on made_by lists its nodes in id order, so that a page reads no more than itself.
_OUTDATED = """
SELECT n.id, n.kind, o.account, o.user, 1, n.gone FROM tier t CROSS JOIN node n ON n.id = t.node
LEFT JOIN owner o ON o.id = n.owner WHERE t.made_by = ? AND t.node > ? AND (n.kind = 0) = ? ORDER BY t.node LIMIT ?"""


def outdated(c: apsw.Connection, directories: bool, after: int, limit: int) -> tuple[list[IndexableNode], int]:
    pages = [fetch_all(c, _OUTDATED, (by, after, directories, limit)) for by in EXTRACTIVE_EARLIER]
    page = sorted(row for rows_of_author in pages for row in rows_of_author)[:limit]
    return _living(c, page), page[-1][0] if page else 0


def outdated_count(c: apsw.Connection) -> int:
    marks = ", ".join("?" * len(EXTRACTIVE_EARLIER))
    return int(fetch_one(c, f"SELECT count(*) FROM tier WHERE made_by IN ({marks})", EXTRACTIVE_EARLIER)[0])


def derivation(c: apsw.Connection) -> Progress | None:
    """The place of the job that derives texts again."""
    found = c.execute(
        "SELECT payload FROM job WHERE kind = ? AND state IN ('pending', 'running') LIMIT 1", (RederivePayload.KIND,)
    ).fetchone()
    if found is None:
        return None
    payload = orjson.loads(found[0])
    return Progress(min(payload["done"], payload["total"]), payload["total"])


def indexable(c: apsw.Connection, after: int, limit: int) -> tuple[list[IndexableNode], int]:
    page = fetch_all(c, _PAGE, (after, limit))
    return _living(c, page), page[-1][0] if page else 0


def _living(c: apsw.Connection, page: Sequence[tuple[Any, ...]]) -> list[IndexableNode]:
    found = []
    paths: dict[str, rows.PathResolver] = {}
    for node, kind, account, user, tiered, gone in page:
        if account is None or gone:
            continue
        path = paths.setdefault(account, rows.PathResolver(c, account)).of(node)
        if path is None or rows.is_private(path):
            continue
        may = rows.has_tiers(path) and kind != rows.MESSAGE
        found.append(IndexableNode(Caller(account, user), rows.load(c, node, Uri(path)), may and not tiered))
    return found
