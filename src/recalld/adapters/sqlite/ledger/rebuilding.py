"""Finds damage in derived parts, and builds them again."""

from __future__ import annotations

from functools import partial

import apsw

from recalld.adapters.sqlite.database.migration import (
    REBUILD_LEXICON,
    recreate_lexicon,
    recreate_vectors,
)
from recalld.adapters.sqlite.database.salvage import (
    Stretch,
    begin_salvage,
    next_stretch,
    remake_indexes,
    salvage,
    salvaging,
    unreadable,
)
from recalld.adapters.sqlite.database.sql import fetch_all, fetch_one
from recalld.domain.caller import Caller
from recalld.domain.errors import Corrupt
from recalld.domain.job import RecheckPayload
from recalld.infra.logs import get_logger
from recalld.ports.maintenance import CATALOG, CHUNKS, INDEXES, LEXICON, TIERS, VECTORS

from . import background_queries
from .access import Access
from .chunks import index_chunk
from .job_queue import enqueue
from .transaction import WriteTx

FILLED_MAX = 100
"""Chunks one slice of rebuilding full text takes: about 5 ms."""
READS = {
    LEXICON: (
        "SELECT total(length(block)) FROM fts_data",
        "SELECT count(*) FROM fts_idx",
        "SELECT count(*) FROM fts_docsize",
        "SELECT count(*) FROM fts_place",
    ),
    VECTORS: (
        "SELECT total(length(data)) FROM vector NOT INDEXED",
        "SELECT count(*) FROM vector INDEXED BY vector_follow",
        "SELECT count(*) FROM unembedded",
    ),
}
"""What reads every page of a part."""
TABLES = {CHUNKS: "chunk", TIERS: "tier"}
REBUILT = frozenset({"vector", "unembedded", *TABLES.values()})
"""Tables whose damage is that of a part."""
log = get_logger("recalld.store")


class SqliteRebuilding:
    """Of the primary process."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._derived = access.derived
        self._indexes: list[str] = []

    async def examine(self) -> frozenset[str]:
        readers = self._access.readers
        tables, indexes = await readers.read_on_new_connection(lambda _: unreadable(readers.path))
        self._derived.lost = frozenset(tables) - REBUILT
        self._indexes = [
            name for name in indexes if not await self._access.read(partial(_belongs, index=name, tables=tables))
        ]
        found = {part for part, table in TABLES.items() if table in tables}
        found |= {INDEXES} if self._indexes else set()
        for name in sorted({*tables, *indexes}):
            log.error("damaged table or index", name=name, derived=name not in self._derived.lost)
        return frozenset(found | {part for part in READS if not await self._is_readable(part)})

    async def _is_readable(self, part: str) -> bool:
        try:
            for sql in READS[part]:
                await self._access.readers.read_on_new_connection(partial(fetch_one, sql=sql))
        except Corrupt as damaged:
            log.error("damaged derived index", part=part, error=damaged.message)
            return False
        return True

    async def recreate(self, part: str) -> None:
        self._derived.rebuilding.add(part)
        if part in CATALOG:
            await self._access.store.write(
                partial(remake_indexes, names=self._indexes)
                if part == INDEXES
                else partial(begin_salvage, table=TABLES[part]),
                bulk=True,
                limit_s=None,
            )
            self._derived.rebuilding -= {INDEXES}
            log.warning("rebuilding damaged part", part=part, indexes=self._indexes)
            return
        again = recreate_lexicon if part == LEXICON else recreate_vectors
        try:
            await self._access.store.write(lambda c: again(c), bulk=True, limit_s=None)
        except Corrupt:
            await self._access.store.write(lambda c: again(c, damaged=True), bulk=True, limit_s=None)
        log.warning("rebuilding derived index", part=part)

    async def rebuild(self) -> bool:
        waiting = await self._access.read(_to_rebuild)
        for part in await self._access.read(_to_salvage):
            stretch = await self._access.readers.read_on_new_connection(partial(self._next_stretch, part=part))
            await self._access.store.write(partial(self._salvage, part=part, stretch=stretch), bulk=True)
            self._derived.rebuilding |= waiting
            return True  # the others are filled from what is salvaged
        if LEXICON in waiting and not await self._access.store.write(lambda c: fill_lexicon(c, FILLED_MAX), bulk=True):
            waiting.discard(LEXICON)
            log.info("full-text index rebuilt")
        if VECTORS in waiting and not await self._access.store.write(
            lambda c: background_queries.list_unembedded(c, background_queries.BACKFILL_PAGE), bulk=True
        ):
            waiting.discard(VECTORS)
        self._derived.rebuilding.clear()
        self._derived.rebuilding.update(waiting)
        return bool(waiting - {CHUNKS, TIERS})  # there the rest is a job's

    def _next_stretch(self, c: apsw.Connection, part: str) -> Stretch:
        return next_stretch(self._access.readers.path, TABLES[part])

    def _salvage(self, c: apsw.Connection, part: str, stretch: Stretch) -> None:
        """The next slice; behind the last one a job makes again what is lost."""
        if not salvage(c, TABLES[part], stretch):
            log.warning("damaged part salvaged, a job rebuilds the rest", part=part)
            enqueue(
                WriteTx(c, Caller(account="", user=""), self._access.clock.now(), "repair"),
                RecheckPayload().job(),
            )


def fill_lexicon(c: apsw.Connection, limit: int) -> bool:
    """Index the next chunks again; False: full text is complete, and what was remembered of the old one is forgotten."""
    found = fetch_all(c, "SELECT value FROM meta WHERE key = ?", (REBUILD_LEXICON,))
    if not found:
        return False
    page = fetch_all(c, "SELECT id, owner, terms FROM chunk WHERE id > ? ORDER BY id LIMIT ?", (found[0][0], limit))
    if not page:
        c.execute("DELETE FROM meta WHERE key = ?", (REBUILD_LEXICON,))
        c.execute("UPDATE owner SET epoch = epoch + 1")
        return False
    # What was written meanwhile is there already.
    have = {i for (i,) in c.execute("SELECT id FROM fts_docsize WHERE id BETWEEN ? AND ?", (page[0][0], page[-1][0]))}
    for chunk, partition_id, terms in page:
        if chunk not in have:
            index_chunk(c, chunk, partition_id, terms.split())
    c.execute("UPDATE meta SET value = ? WHERE key = ?", (page[-1][0], REBUILD_LEXICON))
    return True


def _to_rebuild(c: apsw.Connection) -> set[str]:
    found = {LEXICON} if fetch_all(c, "SELECT 1 FROM meta WHERE key = ?", (REBUILD_LEXICON,)) else set()
    found |= {VECTORS} if background_queries.is_listing(c) else set()
    salvaged = set(_to_salvage(c))
    if fetch_all(
        c, "SELECT 1 FROM job WHERE kind = ? AND state IN ('pending', 'running') LIMIT 1", (RecheckPayload.KIND,)
    ):
        salvaged.add(CHUNKS)
    return found | salvaged


def _to_salvage(c: apsw.Connection) -> list[str]:
    return [part for part, table in TABLES.items() if salvaging(c, table)]


def _belongs(c: apsw.Connection, index: str, tables: list[str]) -> bool:
    """Whether an index goes with a damaged table, or with vectors, which are made again as a whole."""
    found = fetch_all(c, "SELECT tbl_name FROM sqlite_schema WHERE type = 'index' AND name = ?", (index,))
    return any(table in {*tables, "vector", "unembedded"} for (table,) in found)
