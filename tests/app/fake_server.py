"""A server for tests, run as a process: supervises one pretend worker and says its pid, until it is killed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

from recalld.app.config import Config
from recalld.app.supervisor import Supervisor
from recalld.ports.ledger import Ledger
from tests.app.test_supervisor import Owner, QuickClock


async def live() -> None:
    owner = Owner()
    worker = str(Path(__file__).with_name("fake_worker.py"))
    supervisor = Supervisor(Config(), cast(Ledger, owner), QuickClock(), arguments=[worker, "asks"])
    async with asyncio.TaskGroup() as group:
        group.create_task(supervisor.supervise())
        await owner.until("lease beside")
        print("worker", supervisor.pid, flush=True)


if __name__ == "__main__":
    asyncio.run(live())
