"""Small single-statement queries. Each call into SQLite releases and re-acquires the GIL, which costs more than the query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import apsw
import orjson

Bindings = Sequence[Any] | Mapping[str, Any]
PATH_CTE = """
WITH RECURSIVE at(id, depth) AS (
  SELECT 0, 0 UNION ALL SELECT n.id, at.depth + 1 FROM at CROSS JOIN json_each(?1) part ON part.key = at.depth
  CROSS JOIN node n ON n.parent = at.id AND n.name = part.value AND n.gone = 0)"""
"""Begins a query about the living nodes on a path, a JSON array of names from the account's root down: ``at`` holds the
first ``depth`` of them. CROSS JOIN fixes the join order; SQLite's planner would otherwise read every entry of each
directory on the path."""
_NODE_AT = f"{PATH_CTE} SELECT id FROM at WHERE depth = json_array_length(?1)"
_LAST_AT = f"{PATH_CTE} SELECT at.id, at.depth, n.kind FROM at CROSS JOIN node n ON n.id = at.id ORDER BY at.depth DESC LIMIT 1"


def json_path(account: str, parts: Sequence[str]) -> str:
    """The path to these segments below an account's root, for ``PATH_CTE``."""
    return orjson.dumps([account, *parts]).decode()


def node_at(c: apsw.Connection, account: str, parts: Sequence[str]) -> int:
    """Id of the living node with these segments below an account's root, 0 if there is none."""
    found = c.execute(_NODE_AT, (json_path(account, parts),)).fetchone()
    return int(found[0]) if found else 0


def deepest_node(c: apsw.Connection, account: str, parts: Sequence[str]) -> tuple[int, int, int] | None:
    """The last living node on a path: its id, how many segments it has, its kind; None if the account has no root."""
    found = c.execute(_LAST_AT, (json_path(account, parts),)).fetchone()
    return None if found is None else (int(found[0]), int(found[1]) - 1, int(found[2]))


def fetch_all(c: apsw.Connection, sql: str, values: Bindings = ()) -> list[tuple[Any, ...]]:
    """All rows of a query at once, so that later statements may change what it read."""
    return cast("list[tuple[Any, ...]]", c.execute(sql, values).fetchall())


def fetch_one(c: apsw.Connection, sql: str, values: Bindings = ()) -> tuple[Any, ...]:
    """The row of a query that always has one. The end of the result is not fetched, which would be a second call into
    SQLite."""
    found: tuple[Any, ...] | None = c.execute(sql, values).fetchone()
    if found is None:
        raise LookupError(f"no row: {sql}")
    return found
