"""A worker process lives as long as its server, is replaced when it exits or hangs, and never outlives the server."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psutil

from recalld.app.config import Config, WorkerConfig
from recalld.app.supervisor import Supervisor
from recalld.domain.errors import Closed
from recalld.domain.job import Job
from recalld.ports.bundle import Ports

HERE = Path(__file__).parent


class QuickClock:
    """Real time, but a sleep lasts a moment; ``slept`` has what was to be slept."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def stamp(self, form: str) -> str:
        return time.strftime(form, time.gmtime())

    def token(self, bytes_count: int = 16) -> str:
        return "0" * (2 * bytes_count)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(min(seconds, 0.01))


class Owner:
    """As much of a ledger as a supervisor and an idle worker use; ``events`` tells what was asked, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.shut = False
        self.clock = QuickClock()
        self._record = asyncio.Condition()

    async def _tell(self, event: str) -> None:
        async with self._record:
            self.events.append(event)
            self._record.notify_all()

    async def until(self, event: str, times: int = 1) -> None:
        async with asyncio.timeout(30), self._record:
            await self._record.wait_for(lambda: self.events.count(event) >= times)

    async def release(self, *, worker: str, counts: bool = True) -> int:
        if self.shut:
            raise Closed("the store is shut")
        await self._tell(f"release {worker}" + ("" if counts else " uncounted"))
        return 0

    async def lease(self, *, worker: str, jobs_max: int, lease_s: float, lanes: Sequence[str] = ()) -> list[Job]:
        await self._tell(f"lease {worker}")
        return []

    async def wakeups(self) -> AsyncIterator[None]:
        while True:
            yield
            await asyncio.sleep(0.01)

    def __getattr__(self, name: str) -> Any:
        async def unused(*_: object, **__: object) -> None:
            raise AssertionError(f"nobody should ask for {name}")

        return unused


def ports_of(owner: Owner) -> Ports:
    return cast(Ports, SimpleNamespace(ledger=owner, jobs=owner, cleanup=owner, clock=owner.clock))


@asynccontextmanager
async def supervised(mode: str, *, heartbeat_timeout_s: float = 60) -> AsyncIterator[tuple[Owner, Supervisor]]:
    owner = Owner()
    config = Config(worker=WorkerConfig(heartbeat_timeout_s=heartbeat_timeout_s))
    arguments = [str(HERE / "fake_worker.py"), mode]
    supervisor = Supervisor(config, ports_of(owner), arguments=arguments)
    running = asyncio.ensure_future(supervisor.supervise())
    try:
        yield owner, supervisor
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_worker_is_started_served_and_woken() -> None:
    async with supervised("asks") as (owner, supervisor):
        await owner.until("lease woken")
        assert supervisor.state() == "ok"
    assert owner.events[:2] == ["release beside", "lease beside"]


async def test_a_dead_worker_is_replaced_and_its_leases_return_first() -> None:
    async with supervised("dies") as (owner, supervisor):
        await owner.until("lease beside", times=2)
        assert supervisor.starts == 2
    assert owner.events[:4] == ["release beside", "lease beside"] * 2


async def test_a_worker_that_keeps_dying_is_started_less_and_less_often() -> None:
    async with supervised("dies") as (owner, supervisor):
        await owner.until("lease beside", times=4)
    watching_s = WorkerConfig(heartbeat_timeout_s=60).heartbeat_timeout_s / 4
    assert [seconds for seconds in owner.clock.slept if seconds != watching_s][:3] == [0.5, 1.0, 2.0]


async def test_a_killed_worker_is_replaced() -> None:
    async with supervised("asks") as (owner, supervisor):
        await owner.until("lease woken")
        os.kill(supervisor.pid, signal.SIGKILL)
        await owner.until("lease woken", times=2)
        assert supervisor.failures == 1


async def test_a_worker_that_never_beats_is_killed_and_replaced() -> None:
    async with supervised("mute", heartbeat_timeout_s=1.1) as (owner, supervisor):
        await owner.until("lease woken", times=2)
        assert supervisor.starts >= 2


async def test_a_worker_leaves_with_its_supervisor() -> None:
    async with supervised("asks") as (owner, supervisor):
        await owner.until("lease woken")
        pid = supervisor.pid
    assert not psutil.pid_exists(pid)


async def test_stopping_a_worker_costs_its_jobs_no_attempt() -> None:
    async with supervised("asks") as (owner, supervisor):
        await owner.until("lease woken")
        os.kill(supervisor.pid, signal.SIGTERM)
        await owner.until("lease woken", times=2)
        os.kill(supervisor.pid, signal.SIGKILL)
        await owner.until("lease woken", times=3)
    releases = [event for event in owner.events if event.startswith("release")]
    assert releases == ["release beside", "release beside uncounted", "release beside", "release beside uncounted"]


async def test_no_worker_is_started_for_a_store_that_is_shut() -> None:
    owner = Owner()
    owner.shut = True
    supervisor = Supervisor(Config(), ports_of(owner), arguments=["-c", ""])
    async with asyncio.timeout(10):
        await supervisor.supervise()
    assert supervisor.starts == 0


def test_a_worker_does_not_outlive_a_server_that_is_killed() -> None:
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    server = subprocess.Popen(
        [sys.executable, str(HERE / "fake_server.py")], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert server.stdout is not None
    announcement = next(line for line in server.stdout if line.startswith("worker "))
    worker = psutil.Process(int(announcement.split()[1]))
    server.kill()
    server.wait()
    server.stdout.close()
    # Reparented, it may be a zombie for a moment: dead all the same.
    psutil.wait_procs([worker], timeout=10)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
