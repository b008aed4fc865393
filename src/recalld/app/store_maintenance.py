"""Maintenance of the store, in short slices: rebuilds indexes, verifies contents; and a data folder while no store is open."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from recalld.adapters.sqlite.database import connection, data_dir, reserve
from recalld.adapters.sqlite.ledger.ledger import FILE_NAME
from recalld.domain.errors import Busy, Corrupt, NotFound, Upstream
from recalld.domain.results import DiskSpace
from recalld.infra import file_permissions
from recalld.infra.logs import get_logger
from recalld.ports.bundle import Ports, PrimaryPorts
from recalld.ports.maintenance import CATALOG, INDEXES, LEXICON, STORE, VECTORS, Maintenance, Rebuildable
from recalld.usecases.maintenance.embed import enqueue_missing

REBUILD_S = 8.0
"""Time of rebuilding per round; the next round continues."""
EXAMINE_EVERY_S = 600.0
"""A check reads whole indexes."""
TOLD_S = 600.0
"""Readiness reports a rebuilt index for this long."""
VERIFY_SLICE_BYTES = 8 << 20
VERIFY_BYTES_MAX = 64 << 20
"""Contents verified per hour."""
DISK_FREE_MIN = 100_000_000
"""Below this the server is degraded: writes will soon be refused."""
SEARCHES = (LEXICON, VECTORS)
PARTS = (CATALOG[0], *SEARCHES, *CATALOG[1:])
"""In rebuild order: salvaged chunks are entered in full text and vectors."""
log = get_logger("recalld.maintenance")


class StoreMaintenance:
    """Rebuilds and verifies in rounds; ``states`` only reads the result of the last one."""

    def __init__(self, ports: PrimaryPorts) -> None:
        self._ports = ports
        self._damaged = 0
        self._turn = asyncio.Lock()
        self._examined_at = -float("inf")
        self._recreated_at = dict.fromkeys(PARTS, -float("inf"))
        self._failed: dict[str, str] = {}
        self._disk: DiskSpace | None = None

    async def round(self) -> None:
        """Check the disk and rebuild damaged parts, for a few seconds at most."""
        await self._look_at_disk()
        if self._ports.rebuilding is not None:
            async with self._turn:
                await self._rebuild(self._ports.rebuilding)

    async def _look_at_disk(self) -> None:
        if self._ports.disk is None:
            return
        try:
            self._disk = await self._ports.disk.disk_space()
        except (Busy, Upstream) as late:
            log.info("disk check postponed", error=str(late))

    async def _rebuild(self, rebuilding: Rebuildable) -> None:
        derived = self._ports.derived
        try:
            for part in await self._found(rebuilding):
                await rebuilding.recreate(part)
            until = self._ports.clock.monotonic() + REBUILD_S
            before = VECTORS in derived.rebuilding
            while await rebuilding.rebuild() and self._ports.clock.monotonic() < until:
                pass
            if before and VECTORS not in derived.rebuilding:
                await enqueue_missing(self._ports)
            self._failed.clear()
        except (Busy, Upstream) as late:
            log.info("rebuild postponed", error=str(late))
        except Corrupt as damaged:
            self._failed = dict.fromkeys(derived.rebuilding or {STORE}, damaged.message)

    async def _found(self, rebuilding: Rebuildable) -> list[str]:
        """Return the parts to rebuild. A part damaged again soon after a rebuild is left alone: its disk is faulty."""
        suspects, now = self._ports.derived.suspects, self._ports.clock.monotonic()
        parts = set(suspects)
        suspects.clear()
        if STORE in parts and now - self._examined_at >= EXAMINE_EVERY_S:
            self._examined_at = now
            parts |= await rebuilding.examine()
        found = [p for p in PARTS if p in parts and now - self._recreated_at[p] >= EXAMINE_EVERY_S]
        self._recreated_at.update(dict.fromkeys(found, now))
        return found

    async def verify(self) -> None:
        """Verify this hour's share of the contents; all are read once a day."""
        maintenance, taken = self._ports.maintenance, 0
        try:
            while taken < VERIFY_BYTES_MAX:
                done = await maintenance.verify_today(bytes_max=VERIFY_SLICE_BYTES)
                taken += max(done.bytes, VERIFY_SLICE_BYTES // 8)
                if not done.after:
                    break
            self._damaged = await maintenance.damaged()
        except (Busy, Upstream, Corrupt) as late:
            log.warning("content verification postponed", error=str(late))

    def states(self) -> Mapping[str, str]:
        """Return ok or the problem of each part."""
        return {
            "disk": _disk_state(self._disk),
            "content": "ok" if not self._damaged else f"{self._damaged} contents are damaged; a check names them",
            **{part: self._state(part) for part in SEARCHES},
            "catalog": self._catalog_state(),
        }

    def _catalog_state(self) -> str:
        """Return the worst state of its parts."""
        if lost := self._ports.derived.lost:
            return f"damaged and not to be made again: {', '.join(sorted(lost))}; restore a backup, a check tells more"
        return next((f"{part}: {state}" for part in CATALOG if (state := self._state(part)) != "ok"), "ok")

    def _state(self, part: str) -> str:
        derived = self._ports.derived
        if part in self._failed:
            return self._failed[part]
        if part in derived.rebuilding or part in derived.suspects:
            return "damaged, being rebuilt"
        # Visible to a check once a minute: a damaged page may mean a failing disk.
        since = self._ports.clock.monotonic() - self._recreated_at[part]
        return "ok" if since >= TOLD_S else "was damaged and has been rebuilt: check the disk"


def _disk_state(disk: DiskSpace | None) -> str:
    if disk is None or (disk.complete and disk.free_bytes >= DISK_FREE_MIN):
        return "ok"
    left = f"{disk.free_bytes / 1e6:,.0f} MB of the data folder's disk are free"
    return f"{left}: free some space, or remove something and purge the history"


async def check(ports: PrimaryPorts, *, repair: bool, contents: bool) -> list[str]:
    """See ``engine.Engine.check``."""
    found = [] if ports.rebuilding is None else await _check_derived(ports, ports.rebuilding, repair)
    try:
        found += await ports.maintenance.check(repair=repair)
    except Corrupt as unreadable:  # what cannot be read cannot be compared
        found.append(unreadable.message)
    if repair and found and ports.compaction is not None:
        await ports.compaction.rewrite()
    if contents:
        found += await _check_contents(ports.maintenance)
    return found


async def _check_derived(ports: Ports, rebuilding: Rebuildable, repair: bool) -> list[str]:
    found: list[str] = []
    damaged = await rebuilding.examine()
    for part in sorted(damaged):
        what = "indexes of tables are damaged" if part == INDEXES else f"the index {part} is damaged"
        found.append(what + (" (rebuilt)" if repair else "; it is derived: a repair rebuilds it"))
    found += [f"the table {name} is damaged; restore a backup" for name in sorted(ports.derived.lost)]
    if repair:
        for part in PARTS:
            if part in damaged:
                await rebuilding.recreate(part)
        while await rebuilding.rebuild():
            pass
        if VECTORS in damaged:
            await enqueue_missing(ports)
    return found


async def _check_contents(maintenance: Maintenance) -> list[str]:
    found: list[str] = []
    after = ""
    while True:
        done = await maintenance.verify(after=after, bytes_max=VERIFY_SLICE_BYTES)
        found += done.damaged
        after = done.after
        if not after:
            return found


def check_there(data: Path) -> None:
    """Raise ``NotFound`` if a data folder has no store, and the errors of opening it if it is unusable."""
    try:
        empty = not any(data.iterdir())
    except FileNotFoundError:
        empty = True
    except OSError as refused:
        raise connection.data_dir_error(data, refused) from refused
    if empty:
        raise NotFound(f"there is no store in {data}", remedy="give its folder with `data`")


def begin_new_store(data: Path) -> int:
    """Set aside the files of a store whose database is missing or empty; returns how many. Blocking.

    Raises ``Conflict`` if the database is there, or if another process has the folder open.
    """
    lock = connection.lock_data_dir(data)
    try:
        return data_dir.reset_data_dir(data / FILE_NAME)
    finally:
        os.close(lock)


def loose_files(data: Path) -> list[Path]:
    """Return files and folders of a store that other users of this machine may read or write. Blocking."""
    return list(file_permissions.accessible_to_others(data_dir.own_files(data))) if data.is_dir() else []


def reserve_bytes(data: Path) -> int | None:
    """Return the bytes set aside for removals (0: in use); None: never set aside. Blocking."""
    file = data / reserve.FILE_NAME
    return file.stat().st_size if file.exists() else None
