"""Keeps a store sound: probes it, checks its tables, prunes what has expired, verifies contents."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import partial

import apsw

from recalld.adapters.sqlite.database.append_streams import read_content
from recalld.adapters.sqlite.database.sql import fetch_all, fetch_one
from recalld.domain.errors import Corrupt
from recalld.infra.logs import get_logger
from recalld.ports.maintenance import VectorModel, Verified

from . import background_queries, integrity_check, retention
from .access import Access
from .content_verification import CONTENTS_MAX, DAMAGED, MESSAGES, ContentCheck, contents_after, record_damage, uris_of
from .message_rows import address_of, set_hashes, verify_after

PASS_EVERY_S = 24 * 3_600.0
CURSOR, PASS_BEGAN = "verified_to", "verify_began"
log = get_logger("recalld.store")


class SqliteMaintenance:
    """Of the primary process."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def configure_models(self, models: Sequence[VectorModel]) -> None:
        write, page = self._access.write, background_queries.BACKFILL_PAGE
        if await write(lambda c: background_queries.configure_models(c, models)):
            while await write(lambda c: background_queries.list_unembedded(c, page), bulk=True):
                pass

    async def probe(self) -> float:
        access, mark = self._access, secrets.token_hex(8)
        begin = access.clock.monotonic()
        await access.write(lambda c: c.execute("INSERT OR REPLACE INTO meta VALUES ('probe', ?)", (mark,)).fetchall())
        await access.read(lambda c: c.execute("SELECT value FROM meta WHERE key = 'probe'").fetchone())
        return access.clock.monotonic() - begin

    async def check(self, *, repair: bool = False) -> list[str]:
        if repair:
            return await self._access.write(lambda c: integrity_check.check(c, True), bulk=True, limit_s=None)
        return await self._access.readers.read_on_new_connection(lambda c: integrity_check.check(c, False))

    async def prune(self, *, keep_s: float) -> int:
        return await retention.prune(self._access, now=self._access.clock.now(), keep_s=keep_s)

    async def verify(self, *, after: str, bytes_max: int) -> Verified:
        if after.startswith(MESSAGES):
            return await self._verify_messages(int(after.removeprefix(MESSAGES)), bytes_max)
        found, then = await self._access.scan(lambda c: contents_after(c, after, bytes_max))
        intact = [one.hash for one in found if one.is_intact]
        damaged = [(one.hash, False) for one in found if one.is_intact is False]
        for one in [one for one in found if one.is_intact is None]:
            missing = await self._missing(one)
            if missing is None:
                intact.append(one.hash)
            else:
                damaged.append((one.hash, missing))
        sentences = await self._record(intact, damaged)
        return Verified(len(found), sum(one.size for one in found), sentences, then or f"{MESSAGES}0")

    async def _verify_messages(self, after: int, size_max: int) -> Verified:
        """The same of messages; those of an older store get their hash."""
        done = await self._access.scan(lambda c: verify_after(c, after, size_max, CONTENTS_MAX))
        if done.hashes:
            await self._access.write(lambda c: set_hashes(c, done.hashes), bulk=True)
        sentences = await self._record(
            [f"{MESSAGES}{node}" for node in done.intact], [(f"{MESSAGES}{node}", False) for node in done.damaged]
        )
        then = f"{MESSAGES}{done.after}" if done.after else ""
        return Verified(len(done.intact) + len(done.damaged), done.size, sentences, then)

    async def _record(self, intact: Sequence[str], damaged: Sequence[tuple[str, bool]]) -> tuple[str, ...]:
        """Keep the list of what is damaged; returns a sentence for each."""
        if damaged or await self.damaged():
            now = self._access.clock.now()
            await self._access.write(lambda c: record_damage(c, intact, damaged, now), bulk=True)
        sentences = await self._access.scan(lambda c: tuple(_sentence(c, key, missing) for key, missing in damaged))
        for sentence in sentences:
            log.error("damaged content", what=sentence)
        return sentences

    async def _missing(self, one: ContentCheck) -> bool | None:
        """Whether a damaged content is missing altogether; None: it verifies."""
        try:
            if one.grown:
                await read_content(one.hash, self._access.scan, self._access.blobs.get)
                return None
            async for _ in self._access.blobs.pieces(one.hash):
                pass
        except Corrupt as damaged:
            return bool(damaged.details.get("missing"))
        return None

    async def verify_today(self, *, bytes_max: int) -> Verified:
        now = self._access.clock.now()
        after, began = await self._access.read(_cursor)
        if not after:
            if 0 <= now - began < PASS_EVERY_S:  # a clock that was set back starts a new pass
                return Verified(0, 0, (), "")
            await self._access.write(partial(_set_meta, key=PASS_BEGAN, value=now), bulk=True)
        done = await self.verify(after=after, bytes_max=bytes_max)
        await self._access.write(partial(_set_meta, key=CURSOR, value=done.after), bulk=True)
        return done

    async def damaged(self) -> int:
        return int((await self._access.scan(lambda c: fetch_one(c, DAMAGED)))[0])


def _cursor(c: apsw.Connection) -> tuple[str, float]:
    found = dict(fetch_all(c, "SELECT key, value FROM meta WHERE key IN (?, ?)", (CURSOR, PASS_BEGAN)))
    return str(found.get(CURSOR, "")), float(found.get(PASS_BEGAN, 0.0))


def _set_meta(c: apsw.Connection, key: str, value: object) -> None:
    c.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def _sentence(c: apsw.Connection, key: str, missing: bool) -> str:
    if key.startswith(MESSAGES):
        return f"the message {address_of(c, int(key.removeprefix(MESSAGES)))} is damaged"
    return f"the content of {uris_of(c, key)} is {'missing' if missing else 'damaged'}"
