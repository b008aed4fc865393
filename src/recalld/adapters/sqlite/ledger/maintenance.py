"""See ``ports.maintenance``: over the primary process's store."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import apsw

from recalld.adapters.sqlite.database.append_streams import read_content
from recalld.adapters.sqlite.database.migration import (
    BACKFILL_CURSOR,
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
from recalld.adapters.sqlite.database.store import Store
from recalld.domain.caller import Caller
from recalld.domain.errors import Corrupt
from recalld.domain.job import RECHECK, NewJob
from recalld.domain.results import DiskSpace
from recalld.infra.logs import get_logger
from recalld.ports.maintenance import CATALOG, CHUNKS, INDEXES, LEXICON, TIERS, VECTORS, DerivedState, Verified

from . import background_queries
from .chunks import index_chunk
from .content_verification import ContentCheck, contents_after, record_damage, uris_of
from .job_queue import enqueue
from .ledger import BACKFILL_PAGE, SqliteLedger
from .transaction import WriteTx

PASS_EVERY_S = 24 * 3_600.0
FILLED_MAX = 100
"""Chunks one slice of rebuilding full text takes: about 5 ms."""
CURSOR, PASS_BEGAN = "verified_to", "verify_began"
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


def maintenance(ledger: SqliteLedger) -> SqliteMaintenance | None:
    """For a store's primary process; None for a process that only reads."""
    return SqliteMaintenance(ledger, ledger.readers) if isinstance(ledger.readers, Store) else None


class SqliteMaintenance:
    """See ``ports.maintenance.Maintenance``."""

    def __init__(self, ledger: SqliteLedger, store: Store) -> None:
        self._ledger = ledger
        self._store = store
        self._indexes: list[str] = []

    @property
    def derived(self) -> DerivedState:
        """See ``ports.maintenance.Maintenance``."""
        return self._ledger.derived

    # ------------------------------------------------------------------ contents
    async def verify(self, *, after: str, bytes_max: int) -> Verified:
        """See ``ports.maintenance.Maintenance``."""
        found, then = await self._ledger.scan(lambda c: contents_after(c, after, bytes_max))
        intact = [one.hash for one in found if one.is_intact]
        damaged = [(one.hash, False) for one in found if one.is_intact is False]
        for one in [one for one in found if one.is_intact is None]:
            missing = await self._missing(one)
            if missing is None:
                intact.append(one.hash)
            else:
                damaged.append((one.hash, missing))
        if damaged or await self.damaged():
            now = self._ledger.clock.now()
            await self._store.write(lambda c: record_damage(c, intact, damaged, now), bulk=True)
        sentences = await self._ledger.scan(lambda c: tuple(_sentence(c, h, missing) for h, missing in damaged))
        for sentence in sentences:
            log.error("content is damaged", what=sentence)
        return Verified(len(found), sum(one.size for one in found), sentences, then)

    async def _missing(self, one: ContentCheck) -> bool | None:
        """Whether a damaged content is missing altogether; None: it verifies."""
        try:
            if one.grown:
                await read_content(one.hash, self._ledger.scan, self._ledger.blobs.get)
                return None
            async for _ in self._ledger.blobs.pieces(one.hash):
                pass
        except Corrupt as damaged:
            return bool(damaged.details.get("missing"))
        return None

    async def verify_today(self, *, bytes_max: int) -> Verified:
        """See ``ports.maintenance.Maintenance``."""
        now = self._ledger.clock.now()
        after, began = await self._store.read(_cursor)
        if not after:
            if 0 <= now - began < PASS_EVERY_S:  # a clock that was set back starts a new pass
                return Verified(0, 0, (), "")
            await self._store.write(partial(_set_meta, key=PASS_BEGAN, value=now), bulk=True)
        done = await self.verify(after=after, bytes_max=bytes_max)
        await self._store.write(partial(_set_meta, key=CURSOR, value=done.after), bulk=True)
        return done

    async def damaged(self) -> int:
        """See ``ports.maintenance.Maintenance``."""
        # What retention let go meanwhile is no loss any more.
        count = "SELECT count(*) FROM damaged WHERE hash IN (SELECT hash FROM blob UNION ALL SELECT hash FROM grown)"
        return int((await self._ledger.scan(lambda c: fetch_one(c, count)))[0])

    # ------------------------------------------------------------------ what is derived
    async def examine(self) -> frozenset[str]:
        """See ``ports.maintenance.Maintenance``."""
        tables, indexes = await self._store.read_on_new_connection(lambda _: unreadable(self._store.path))
        self.derived.lost = frozenset(tables) - REBUILT
        self._indexes = [
            name for name in indexes if not await self._store.read(partial(_belongs, index=name, tables=tables))
        ]
        found = {part for part, table in TABLES.items() if table in tables}
        found |= {INDEXES} if self._indexes else set()
        for name in sorted({*tables, *indexes}):
            log.error("a table or an index of one is damaged", name=name, derived=name not in self.derived.lost)
        return frozenset(found | {part for part in READS if not await self._is_readable(part)})

    async def _is_readable(self, part: str) -> bool:
        try:
            for sql in READS[part]:
                await self._store.read_on_new_connection(partial(fetch_one, sql=sql))
        except Corrupt as damaged:
            log.error("a derived index is damaged and will be rebuilt", part=part, error=damaged.message)
            return False
        return True

    async def recreate(self, part: str) -> None:
        """See ``ports.maintenance.Maintenance``."""
        self.derived.rebuilding.add(part)
        if part in CATALOG:
            await self._store.write(self._put_right(part), bulk=True, limit_s=None)
            self.derived.rebuilding -= {INDEXES}
            log.warning("a damaged part is being made again", part=part, indexes=self._indexes)
            return
        again = recreate_lexicon if part == LEXICON else recreate_vectors
        try:
            await self._store.write(lambda c: again(c), bulk=True, limit_s=None)
        except Corrupt:
            await self._store.write(lambda c: again(c, damaged=True), bulk=True, limit_s=None)
        log.warning("a derived index is being rebuilt", part=part)

    async def rebuild(self) -> bool:
        """See ``ports.maintenance.Maintenance``."""
        waiting = await self._store.read(_to_rebuild)
        for part in await self._store.read(_to_salvage):
            stretch = await self._store.read_on_new_connection(partial(self._next_stretch, part=part))
            await self._store.write(partial(self._salvage, part=part, stretch=stretch), bulk=True)
            self.derived.rebuilding |= waiting
            return True  # the others are filled from what is salvaged
        if LEXICON in waiting and not await self._store.write(lambda c: fill_lexicon(c, FILLED_MAX), bulk=True):
            waiting.discard(LEXICON)
            log.info("full text has been rebuilt")
        if VECTORS in waiting and not await self._store.write(
            lambda c: background_queries.list_unembedded(c, BACKFILL_PAGE), bulk=True
        ):
            waiting.discard(VECTORS)
        self.derived.rebuilding.clear()
        self.derived.rebuilding.update(waiting)
        return bool(waiting - {CHUNKS, TIERS})  # there the rest is a job's

    def _put_right(self, part: str) -> Callable[[apsw.Connection], None]:
        if part == INDEXES:
            return partial(remake_indexes, names=self._indexes)
        return partial(begin_salvage, table=TABLES[part])

    def _next_stretch(self, c: apsw.Connection, part: str) -> Stretch:
        return next_stretch(self._store.path, TABLES[part])

    def _salvage(self, c: apsw.Connection, part: str, stretch: Stretch) -> None:
        """The next slice; behind the last one a job makes again what is lost."""
        if not salvage(c, TABLES[part], stretch):
            log.warning("what could be read of a damaged part is kept, the rest is made again by a job", part=part)
            enqueue(
                WriteTx(c, Caller(account="", user=""), self._ledger.clock.now(), "repair"),
                NewJob(RECHECK, RECHECK, {"after": 0}),
            )

    async def disk_space(self) -> DiskSpace:
        """See ``ports.maintenance.Maintenance``."""
        return await self._store.disk_space()

    async def vacuum(self) -> None:
        """See ``ports.maintenance.Maintenance``."""
        await self._store.vacuum()


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
    keys = {k for (k,) in c.execute("SELECT key FROM meta WHERE key IN (?, ?)", (REBUILD_LEXICON, BACKFILL_CURSOR))}
    found = {part for part, key in ((LEXICON, REBUILD_LEXICON), (VECTORS, BACKFILL_CURSOR)) if key in keys}
    salvaged = set(_to_salvage(c))
    if fetch_all(c, "SELECT 1 FROM job WHERE kind = ? AND state IN ('pending', 'running') LIMIT 1", (RECHECK,)):
        salvaged.add(CHUNKS)
    return found | salvaged


def _to_salvage(c: apsw.Connection) -> list[str]:
    return [part for part, table in TABLES.items() if salvaging(c, table)]


def _belongs(c: apsw.Connection, index: str, tables: list[str]) -> bool:
    """Whether an index goes with a damaged table, or with vectors, which are made again as a whole."""
    found = fetch_all(c, "SELECT tbl_name FROM sqlite_schema WHERE type = 'index' AND name = ?", (index,))
    return any(table in {*tables, "vector", "unembedded"} for (table,) in found)


def _cursor(c: apsw.Connection) -> tuple[str, float]:
    found = dict(fetch_all(c, "SELECT key, value FROM meta WHERE key IN (?, ?)", (CURSOR, PASS_BEGAN)))
    return str(found.get(CURSOR, "")), float(found.get(PASS_BEGAN, 0.0))


def _set_meta(c: apsw.Connection, key: str, value: object) -> None:
    c.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def _sentence(c: apsw.Connection, hash_: str, missing: bool) -> str:
    return f"the content of {uris_of(c, hash_)} is {'missing' if missing else 'damaged'}"
