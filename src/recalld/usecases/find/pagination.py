"""Pages through the part of the index that one caller may find."""

from __future__ import annotations

from dataclasses import dataclass

from recalld.domain.caller import Caller
from recalld.domain.node import ContextType
from recalld.domain.query import Query
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports

from .hits import shown


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
    view = await ports.index.open(caller, query)
    page = await view.page(cursor, limit)
    rows = page.rows
    loaded = {each.node_id: each for each in await view.hydrate(rows.node.tolist())}
    entries: list[ChunkEntry] = []
    for row, (id_, at) in enumerate(zip(rows.ids.tolist(), rows.at.tolist(), strict=True)):
        node = loaded.get(int(rows.node[row]))
        if node is not None:
            uri, level, abstract = shown(row, node, rows)
            entries.append(ChunkEntry(id_, uri, node.type, level, at, abstract, node.tags))
    return entries, page.after
