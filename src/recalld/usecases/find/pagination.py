"""Pages through the part of the index that one caller may find."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid
from recalld.domain.node import ContextType
from recalld.domain.query import Query
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.ports.index import Ids, SearchScope

_CURSOR_DIGITS_MAX = 18
_TIER = 2
_DIRECTORY = 0
_SIDECARS = {0: ".abstract.md", 1: ".overview.md"}


@dataclass(frozen=True, slots=True)
class ChunkEntry:
    """One chunk of the index: its id, and the entry it belongs to, as a search shows it."""

    id: int
    uri: Uri
    type: ContextType
    level: int
    at: float
    abstract: str
    tags: tuple[str, ...]


async def scroll(query: Query, cursor: str, limit: int, caller: Caller, ports: Ports) -> tuple[list[ChunkEntry], str]:
    """Return up to ``limit`` chunks in order of id, and the next cursor ("" = no more).

    ``cursor``: "" to start. Chunks of entries deleted meanwhile are left out. Raises ``Invalid`` for an invalid cursor.
    """
    after = _after(cursor)
    scope = await ports.catalog.resolve_scope(caller, query)
    ids, more = _page(scope, after, limit)
    table = await ports.catalog.table(scope, ids)
    loaded = {each.node_id: each for each in await ports.catalog.hydrate(scope, table.node.tolist())}
    entries: list[ChunkEntry] = []
    for row in range(len(table.ids)):
        node = loaded.get(int(table.node[row]))
        if node is None:
            continue
        tier = int(table.kind[row]) == _TIER
        level = int(table.level[row]) if tier else 2
        uri = Uri((*node.uri.parts, _SIDECARS[level])) if tier and node.kind == _DIRECTORY else node.uri
        abstract = node.overview if tier and level == 1 else node.abstract
        entries.append(
            ChunkEntry(int(table.ids[row]), uri, node.type, level, float(table.at[row]), abstract, node.tags)
        )
    return entries, str(int(ids[-1])) if more else ""


def _after(cursor: str) -> int:
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _CURSOR_DIGITS_MAX):
        raise Invalid(
            f"cursor {cursor[:40]!r} is not one of ours",
            remedy="send next_cursor of the page before, or none to begin",
            details={"field": "cursor"},
        )
    return int(cursor)


def _page(scope: SearchScope, after: int, limit: int) -> tuple[Ids, bool]:
    """Return the first ``limit`` ids above ``after``, ascending, and whether there are more. The cost does not grow with the
    scope."""
    parts = []
    for chunks in scope.chunks:
        start = int(np.searchsorted(chunks, after, side="right"))
        parts.append(chunks[start : start + limit + 1])
    ids = np.sort(np.concatenate(parts)) if parts else np.zeros(0, np.int64)
    return ids[:limit], len(ids) > limit
