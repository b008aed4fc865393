"""A worker for tests, run as a process: it ``asks`` for leases, ``dies`` at once or stays ``mute``."""

from __future__ import annotations

import asyncio
import sys

from recalld.adapters.ipc.remote_ledger import LEASE, WAKE
from recalld.infra.child import follow_parent, inherited_socket
from recalld.infra.link import Link


async def live(mode: str) -> None:
    woken = asyncio.Event()
    link = Link(inherited_socket()[0], beat_s=3600 if mode == "mute" else 0.02)
    link.listen(WAKE, woken.set)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(link.run())
        await link.call(LEASE, "beside", 1, 30.0, ())
        if mode == "dies":
            sys.exit(3)
        await woken.wait()
        await link.call(LEASE, "woken", 1, 30.0, ())
        await running


if __name__ == "__main__":
    follow_parent()
    asyncio.run(live(sys.argv[1]))
