"""A store as a worker process sees it: reads of its own, writes over a channel to the primary process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial

from recalld.adapters.ipc.remote_writes import RemoteCleanup, RemoteCommits, RemoteJobs, handlers, push_wakeups
from recalld.adapters.sqlite.database.readers import Readers
from recalld.adapters.sqlite.ledger.ledger import SqliteLedger
from recalld.domain.caller import Caller
from recalld.infra.ipc import Channel
from recalld.ports.ledger import Tenant


class WorkerSide:
    """What a worker composes; ``access``, ``maintenance`` and ``rebuilding`` are the primary's, which has them alone."""

    def __init__(self, primary: SqliteLedger) -> None:
        ours, theirs = socket.socketpair()
        served = handlers(primary, primary.jobs, primary.cleanup)
        self._channels = (Channel(ours, handlers=served), Channel(theirs))
        remote = self._channels[1]
        self.readers = Readers(primary.access.readers.path, count=2)
        local = SqliteLedger(
            self.readers, primary.access.blobs, primary.access.clock, {}, commits=partial(RemoteCommits, remote)
        )
        self._primary = primary
        self.tenant: Callable[[Caller], Tenant] = local.tenant
        self.jobs = RemoteJobs(remote)
        self.cleanup = RemoteCleanup(remote)
        self.backlog, self.stats = local.backlog, local.stats
        self.access, self.maintenance, self.rebuilding = primary.access, primary.maintenance, primary.rebuilding
        self._running = [
            *(asyncio.ensure_future(channel.run()) for channel in self._channels),
            asyncio.ensure_future(push_wakeups(primary.jobs, self._channels[0])),
        ]

    async def close(self) -> None:
        for channel in self._channels:
            channel.close()
        self._running[-1].cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self.readers.close()
        await self._primary.close()
