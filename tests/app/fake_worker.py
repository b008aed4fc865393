"""A worker process for tests: ``asks`` for leases, ``dies`` at once or stays ``mute``."""

from __future__ import annotations

import asyncio
import sys

from recalld.adapters.ipc.remote_writes import LEASE, WAKEUP
from recalld.infra.child_process import die_with_parent, inherited_socket
from recalld.infra.ipc import Channel


async def live(mode: str) -> None:
    woken = asyncio.Event()
    channel = Channel(inherited_socket()[0], beat_s=3600 if mode == "mute" else 0.02)
    channel.subscribe(WAKEUP, woken.set)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(channel.run())
        await channel.call(LEASE, "beside", 1, 30.0, ())
        if mode == "dies":
            sys.exit(3)
        await woken.wait()
        await channel.call(LEASE, "woken", 1, 30.0, ())
        await running


if __name__ == "__main__":
    die_with_parent()
    asyncio.run(live(sys.argv[1]))
