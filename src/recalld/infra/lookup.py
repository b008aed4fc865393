"""Small questions to the store, each in one statement: every crossing into SQLite gives the interpreter up and waits for it
again, which costs more than the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import apsw
import orjson

Bindings = Sequence[Any] | Mapping[str, Any]
_AT = """
WITH RECURSIVE at(id, depth) AS (
  SELECT 0, 0 UNION ALL SELECT n.id, at.depth + 1 FROM at JOIN json_each(?1) part ON part.key = at.depth
  JOIN node n ON n.parent = at.id AND n.name = part.value AND n.gone = 0)
SELECT id FROM at WHERE depth = ?2"""


def node_at(c: apsw.Connection, account: str, parts: Sequence[str]) -> int:
    """Id of the living node with these segments below an account's root, 0 if there is none."""
    path = [account, *parts]
    found = c.execute(_AT, (orjson.dumps(path).decode(), len(path))).fetchone()
    return int(found[0]) if found else 0


def every(c: apsw.Connection, sql: str, values: Bindings = ()) -> list[tuple[Any, ...]]:
    """All rows of a query at once, so that what follows may change what it read."""
    return cast("list[tuple[Any, ...]]", c.execute(sql, values).fetchall())


def only(c: apsw.Connection, sql: str, values: Bindings = ()) -> tuple[Any, ...]:
    """The row of a query that always has one, and no more: its end is not asked for, which would be one crossing again."""
    found: tuple[Any, ...] | None = c.execute(sql, values).fetchone()
    if found is None:
        raise LookupError(f"no row: {sql}")
    return found
