"""A server process for tests: supervises one fake worker and prints its pid until it is killed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from recalld.app.config import Config
from recalld.app.supervisor import Supervisor
from tests.app.test_supervisor import Owner, ports_of


async def live() -> None:
    owner = Owner()
    worker = str(Path(__file__).with_name("fake_worker.py"))
    supervisor = Supervisor(Config(), ports_of(owner), arguments=[worker, "asks"])
    async with asyncio.TaskGroup() as group:
        group.create_task(supervisor.supervise())
        await owner.until("lease beside")
        print("worker", supervisor.pid, flush=True)


if __name__ == "__main__":
    asyncio.run(live())
