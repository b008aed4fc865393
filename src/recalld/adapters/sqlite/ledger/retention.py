"""Retention and garbage collection, in short slices."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import apsw
import orjson

from recalld.adapters.sqlite.database.sql import fetch_all
from recalld.domain.errors import RecalldError
from recalld.infra.logs import get_logger
from recalld.ports.blobs import SHARDS, Blobs

from . import background_queries, chunks, llm_tier_queries, trash
from .access import Access

PRUNE_PAGE = 100
GARBAGE_PAGE = 200
TASK_RETENTION_S = 24 * 3_600.0
FAILED_TASK_RETENTION_S = 7 * 24 * 3_600.0
ORPHAN_AGE_S = 3_600.0
"""A blob file that no commit has referenced for this long will not be referenced."""
ASIDE_RETENTION_S = 30 * 24 * 3_600.0
log = get_logger("recalld.store")


async def prune(access: Access, *, now: float, keep_s: float) -> int:
    gone = 0
    await trash.erase_expired(access, now - keep_s)
    while (found := await access.scan(lambda c: background_queries.unreferenced_contents(c, now - keep_s, PRUNE_PAGE)))[
        0
    ]:
        step = await access.free(partial(background_queries.drop_contents, found=found, now=now))
        if not step:
            break
        gone += step
    while await access.free(lambda c: background_queries.drop_vectors(c, PRUNE_PAGE)):
        pass
    ended, failed = now - TASK_RETENTION_S, now - FAILED_TASK_RETENTION_S
    await access.free(lambda c: background_queries.drop_ended_tasks(c, ended, failed))
    while await access.free(lambda c: llm_tier_queries.drop_cached_tiers(c, now - keep_s, PRUNE_PAGE)):
        pass
    if await _reclaim(access, now):
        await access.store.rewrite_small()
    await collect_garbage(access)
    return gone


async def _reclaim(access: Access, now: float) -> bool:
    """Merge dead entries out of the full text; False: there were none."""
    if not await access.read(lambda c: chunks.should_reclaim(c, now)):
        return False
    more = await access.free(partial(chunks.reclaim, first=True, now=now))
    while more:
        more = await access.free(partial(chunks.reclaim, first=False, now=now))
    return True


async def collect_garbage(access: Access) -> None:
    """Delete blob files that this store's retention released; move those it never referenced to ``lost+found`` for 30 days.

    Another store may need the latter: this one may be an older copy, or replace one that was lost.
    """
    unknown_count = 0
    for shard in SHARDS:
        old = await access.blobs.old(shard, older_than_s=ORPHAN_AGE_S)
        for start in range(0, len(old), GARBAGE_PAGE):
            page = old[start : start + GARBAGE_PAGE]
            released, unknown = await access.read(partial(_classify, hashes=page))
            if released:
                gone = await access.blobs.remove(released, older_than_s=ORPHAN_AGE_S)
                await access.free(partial(_forget_released, hashes=gone))
            if unknown:
                unknown_count += await _set_aside(access.blobs, unknown)
    if unknown_count:
        log.warning("unknown content files moved to lost+found for 30 days", count=unknown_count)
    await _expire(access)


async def _set_aside(blobs: Blobs, hashes: Sequence[str]) -> int:
    try:
        return await blobs.set_aside(hashes, older_than_s=ORPHAN_AGE_S)
    except RecalldError as refused:
        log.warning("unknown content files not moved", error=str(refused))
        return 0


async def _expire(access: Access) -> None:
    """Delete what was set aside long ago. A file that the store references by now (its database was restored) is put back
    instead."""
    old = await access.blobs.aside(older_than_s=ASIDE_RETENTION_S)
    for start in range(0, len(old), GARBAGE_PAGE):
        page = old[start : start + GARBAGE_PAGE]
        known = await access.read(partial(_referenced, hashes=page))
        await access.blobs.take_back(sorted(known))
        await access.blobs.drop_aside([h for h in page if h not in known])


def _classify(c: apsw.Connection, hashes: Sequence[str]) -> tuple[list[str], list[str]]:
    """Of these hashes: those that retention released, and those that this store never referenced."""
    rows = fetch_all(
        c,
        "SELECT w.value, EXISTS (SELECT 1 FROM released WHERE hash = w.value) FROM json_each(?) w "
        "WHERE NOT EXISTS (SELECT 1 FROM blob WHERE hash = w.value AND data IS NULL)",
        (orjson.dumps(hashes).decode(),),
    )
    return [h for h, was_released in rows if was_released], [h for h, was_released in rows if not was_released]


def _referenced(c: apsw.Connection, hashes: Sequence[str]) -> set[str]:
    hashes_json = orjson.dumps(hashes).decode()
    found = fetch_all(
        c, "SELECT hash FROM blob WHERE data IS NULL AND hash IN (SELECT value FROM json_each(?))", (hashes_json,)
    )
    return {h for (h,) in found}


def _forget_released(c: apsw.Connection, hashes: Sequence[str]) -> None:
    c.execute("DELETE FROM released WHERE hash IN (SELECT value FROM json_each(?))", (orjson.dumps(hashes).decode(),))
