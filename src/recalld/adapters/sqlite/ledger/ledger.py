"""A store on one SQLite file. The primary process reads and writes; over ``Readers`` alone it is only read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from recalld.adapters.sqlite.database.readers import Readers
from recalld.adapters.sqlite.database.store import Store
from recalld.domain.caller import Caller
from recalld.domain.policy import JobPolicy
from recalld.infra.thread_pool import Pool
from recalld.ports.blobs import Blobs
from recalld.ports.clock import Clock
from recalld.ports.ledger import Commits, Tenant

from . import background_queries
from .access import Access
from .jobs import SqliteBacklog, SqliteCleanup, SqliteJobs, SqliteStats
from .maintenance import SqliteMaintenance
from .rebuilding import SqliteRebuilding
from .tenant import SqliteCommits, SqliteTenant

FILE_NAME = "recalld.db"


async def open_ledger(
    folder: Path,
    *,
    blobs: Blobs,
    clock: Clock,
    readers: int = 4,
    reserve_bytes: int = 0,
    policies: Mapping[str, JobPolicy] | None = None,
) -> SqliteLedger:
    """Open (and make) the store in a data folder as its primary process. Raises ``Conflict`` if it is open elsewhere or newer."""
    lifecycle = Pool("store", running_max=1, waiting_max=1)
    try:
        store = await lifecycle.run(Store, folder / FILE_NAME, readers=readers, reserve_bytes=reserve_bytes)
    except BaseException:
        lifecycle.close()
        raise
    ledger = SqliteLedger(store, blobs, clock, policies or {}, lifecycle)
    await store.write(background_queries.assign_store_id)
    return ledger


class SqliteLedger:
    """Binds callers; the other ports of the same store are its attributes."""

    def __init__(
        self,
        readers: Readers,
        blobs: Blobs,
        clock: Clock,
        policies: Mapping[str, JobPolicy],
        lifecycle: Pool | None = None,
        *,
        commits: Callable[[Caller], Commits] | None = None,
    ) -> None:
        """``lifecycle``: where the store was opened and will be closed; None: whatever opened the readers closes them.
        ``commits``: what applies a caller's commits; None: this process does."""
        self.access = access = Access(readers, blobs, clock)
        self._lifecycle = lifecycle
        self._commits: Callable[[Caller], Commits] = commits or partial(SqliteCommits, access)
        self.jobs = SqliteJobs(access, policies)
        self.backlog = SqliteBacklog(access)
        self.stats = SqliteStats(access)
        self.cleanup = SqliteCleanup(access)
        self.maintenance = SqliteMaintenance(access)
        self.rebuilding = SqliteRebuilding(access)

    def tenant(self, caller: Caller) -> Tenant:
        return SqliteTenant(self.access, caller, self._commits(caller))

    async def close(self) -> None:
        """Finish accepted work and release the store. Further calls raise ``Closed``."""
        if self._lifecycle is not None:
            lifecycle, self._lifecycle = self._lifecycle, None
            await lifecycle.run(self.access.readers.close)
            lifecycle.close()
