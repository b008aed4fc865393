"""The owner's care for its store: damaged indexes are rebuilt, contents verified, in slices beside the work."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from recalld.domain.commit import Commit
from recalld.domain.errors import Busy, Corrupt, Upstream
from recalld.domain.job import NewJob
from recalld.infra.logs import get_logger
from recalld.ports.bundle import Ports
from recalld.ports.maintenance import LEXICON, STORE, VECTORS, Maintenance

REBUILD_S = 8.0
"""Of rebuilding in one round of housekeeping, which goes on in the next one."""
EXAMINE_EVERY_S = 600.0
"""Examining reads whole indexes."""
TOLD_S = 600.0
"""For so long readiness names an index that was damaged, though it is whole again."""
VERIFY_SLICE_BYTES = 8 << 20
VERIFY_BYTES_MAX = 64 << 20
"""Of contents read in an hour."""
PARTS = (LEXICON, VECTORS)
log = get_logger("recalld.care")


class StoreCare:
    """``states`` only reads what the last round found."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._damaged = 0
        self._turn = asyncio.Lock()
        self._examined_at = -float("inf")
        self._recreated_at = dict.fromkeys(PARTS, -float("inf"))
        self._failed: dict[str, str] = {}

    async def round(self) -> None:
        """Rebuild what was found damaged, for some seconds at most."""
        care = self._ports.maintenance
        if care is None:
            return
        async with self._turn:
            await self._rebuild(care)

    async def _rebuild(self, care: Maintenance) -> None:
        try:
            for part in await self._found():
                await care.recreate(part)
            until = self._ports.clock.monotonic() + REBUILD_S
            before = VECTORS in care.derived.rebuilding
            while await care.rebuild() and self._ports.clock.monotonic() < until:
                pass
            if before and VECTORS not in care.derived.rebuilding:
                await embed_all(self._ports)
            self._failed.clear()
        except (Busy, Upstream) as late:
            log.info("rebuilding goes on in the next round", error=str(late))
        except Corrupt as damaged:
            self._failed = dict.fromkeys(care.derived.rebuilding or {STORE}, damaged.message)

    async def _found(self) -> list[str]:
        """Parts to be made again. One that is damaged again soon after is left as it is: its disk is the fault."""
        care, now = self._ports.maintenance, self._ports.clock.monotonic()
        if care is None or not care.derived.suspects:
            return []
        parts = set(care.derived.suspects)
        care.derived.suspects.clear()
        if STORE in parts and now - self._examined_at >= EXAMINE_EVERY_S:
            self._examined_at = now
            parts |= await care.examine()
        found = [p for p in PARTS if p in parts and now - self._recreated_at[p] >= EXAMINE_EVERY_S]
        self._recreated_at.update(dict.fromkeys(found, now))
        return found

    async def verify(self) -> None:
        """The hour's share of reading every content once a day."""
        care, taken = self._ports.maintenance, 0
        if care is None:
            return
        try:
            while taken < VERIFY_BYTES_MAX:
                done = await care.verify_today(bytes_max=VERIFY_SLICE_BYTES)
                taken += max(done.bytes, VERIFY_SLICE_BYTES // 8)
                if not done.contents or not done.after:
                    break
            self._damaged = await care.damaged()
        except (Busy, Upstream, Corrupt) as late:
            log.warning("contents are verified later", error=str(late))

    def states(self) -> Mapping[str, str]:
        """Per part the word ok, or what is wrong."""
        return {
            "content": "ok" if not self._damaged else f"{self._damaged} contents are damaged; recalld fsck names them",
            **{part: self._state(part) for part in PARTS},
        }

    def _state(self, part: str) -> str:
        derived = self._ports.derived
        if part in self._failed:
            return self._failed[part]
        if part in derived.rebuilding or part in derived.suspects:
            return "damaged, being rebuilt"
        # Who looks once a minute is to see it too: a page that was damaged tells of its disk.
        since = self._ports.clock.monotonic() - self._recreated_at[part]
        return "ok" if since >= TOLD_S else "was damaged and has been rebuilt: check the disk"


async def check(ports: Ports, *, repair: bool, contents: bool) -> list[str]:
    """See ``engine.Engine.check``."""
    found: list[str] = []
    care = ports.maintenance
    damaged = await care.examine() if care is not None else frozenset()
    for part in sorted(damaged):
        found.append(
            f"the index {part} is damaged" + (" (rebuilt)" if repair else "; it is derived: --repair rebuilds it")
        )
        if repair and care is not None:
            await care.recreate(part)
    if repair and care is not None:
        while await care.rebuild():
            pass
        if VECTORS in damaged:
            await embed_all(ports)
    found += await ports.ledger.check(repair=repair)
    if repair and found and care is not None:
        await care.vacuum()
    if care is not None and contents:
        found += await _check_contents(care)
    return found


async def _check_contents(care: Maintenance) -> list[str]:
    found: list[str] = []
    after = ""
    while True:
        done = await care.verify(after=after, bytes_max=VERIFY_SLICE_BYTES)
        found += done.damaged
        after = done.after
        if not after:
            return found


async def embed_all(ports: Ports) -> None:
    """Leave the jobs that give every chunk its vector again."""
    for tree in await ports.ledger.partitions():
        await ports.ledger.tenant(tree, bulk=True).commit(Commit(jobs=(NewJob("embed", "embed"),)))
