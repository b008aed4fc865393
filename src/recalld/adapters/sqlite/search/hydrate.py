"""Reads the addresses and texts of hits, in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw
import orjson

from recalld.adapters.sqlite.database.sql import fetch_one, node_at
from recalld.domain.node import ContextType
from recalld.domain.uri import Uri
from recalld.ports.index import HitRecord
from recalld.rules.recall_markup import strip_recalled

MESSAGE_CHARS_MAX = 2_000
QUOTING_CHARS_MAX = 65_536
"""Characters read of a message that contains recalled blocks, to get past them to its own text."""
_KIND_MESSAGE = 2
# One statement and one row for all nodes: each call into SQLite releases and re-acquires the GIL.
_HIT_RECORDS = """
WITH RECURSIVE wanted(id) AS (SELECT value FROM json_each(?1)),
up(start, parent, name, gone, depth) AS (
  SELECT n.id, n.parent, n.name, n.gone, 0 FROM wanted w JOIN node n ON n.id = w.id
  UNION ALL SELECT up.start, n.parent, n.name, max(up.gone, n.gone), up.depth + 1 FROM up JOIN node n ON n.id = up.parent)
SELECT (SELECT json_group_array(json_array(start, parent, name, gone) ORDER BY start, depth) FROM up),
  (SELECT CAST(json_group_array(json_array(
    n.id, n.kind, n.tags, n.source, coalesce(t.abstract, ''), coalesce(t.overview, ''),
    coalesce(substr(m.text, 1, iif(instr(substr(m.text, 1, ?2), '<memory uri="'), ?3, ?2)), ''), coalesce(m.id, ''))) AS BLOB)
  FROM wanted JOIN node n ON n.id = wanted.id LEFT JOIN tier t ON t.node = n.id LEFT JOIN message m ON m.node = n.id)"""


_NO_TIERS = _HIT_RECORDS.replace("LEFT JOIN tier t ON", "LEFT JOIN (SELECT 0 node, '' abstract, '' overview) t ON")


def hydrate(c: apsw.Connection, nodes: Sequence[int], *, tiers: bool = True) -> list[HitRecord]:
    """Return records in the order of ``nodes``. Deleted nodes, and nodes below a deleted one, are left out."""
    wanted = orjson.dumps(list(dict.fromkeys(nodes))).decode()
    above, rows = fetch_one(c, _HIT_RECORDS if tiers else _NO_TIERS, (wanted, MESSAGE_CHARS_MAX, QUOTING_CHARS_MAX))
    account, paths = _paths(orjson.loads(above))
    message_nodes: dict[Uri, int] = {}
    found: dict[int, HitRecord] = {}
    for node, kind, tags, source, abstract, overview, text, message in _decoded(rows):
        if node not in paths:
            continue
        uri = paths[node]
        origin = orjson.loads(source) if source != "{}" else {}
        quotes = _quotes(origin)
        message_nodes.update(
            {quote: node_at(c, account, quote.parts) for quote in quotes if quote not in message_nodes}
        )
        found[node] = HitRecord(
            node_id=node,
            uri=uri,
            type=_type_of(uri, kind),
            kind=kind,
            abstract=strip_recalled(text)[:MESSAGE_CHARS_MAX] if kind == _KIND_MESSAGE else abstract,
            overview=overview,
            tags=tuple(orjson.loads(tags)) if tags != "[]" else (),
            session_id=uri.parts[3] if kind == _KIND_MESSAGE and len(uri.parts) > 3 else "",
            message_id=message,
            source=origin,
            quotes=quotes,
            quoted=tuple(message_nodes[quote] for quote in quotes),
        )
    return [found[n] for n in nodes if n in found]


def _decoded(rows: bytes) -> Any:
    try:
        return orjson.loads(rows)
    except orjson.JSONDecodeError:  # one text is damaged: the other hits are shown all the same
        return orjson.loads(rows.decode("utf-8", "replace"))


def _paths(above: Sequence[Any]) -> tuple[str, dict[int, Uri]]:
    """Return the account of the nodes, and the address of each live one, from the chain of names above it."""
    account = ""
    names: dict[int, list[str]] = {}
    whole: dict[int, Uri] = {}
    for start, parent, name, gone in above:
        parts = names.setdefault(start, [])
        if parent:
            parts.append(name)
        elif not gone:
            account, whole[start] = name, Uri(tuple(reversed(parts)))
    return account, whole


def _type_of(uri: Uri, kind: int) -> ContextType:
    if kind == _KIND_MESSAGE or "memories" in uri.parts:
        return ContextType.MEMORY
    return ContextType.SKILL if "skills" in uri.parts else ContextType.RESOURCE


def _quotes(origin: dict[str, Any]) -> tuple[Uri, ...]:
    listed = origin.get("messages", ())
    prefix = "viking://"
    return tuple(Uri(tuple(m[len(prefix) :].split("/"))) for m in listed if isinstance(m, str) and m.startswith(prefix))
