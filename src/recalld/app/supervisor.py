"""Runs one worker process beside the server: starts, monitors, restarts and stops it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress

from recalld.adapters.ipc.remote_writes import handlers, push_wakeups
from recalld.domain.errors import Busy, Closed, Upstream
from recalld.infra.child_process import Child, spawn
from recalld.infra.ipc import Channel
from recalld.infra.logs import get_logger
from recalld.ports.bundle import Ports

from . import worker_settings
from .config import Config

BACKOFF_S = 0.5
BACKOFF_MAX_S = 60.0
SETTLED_S = 60.0
"""A worker that ran this long was healthy: its end resets the backoff."""
GRACE_S = 3.0
STOPPED = frozenset({-signal.SIGTERM, -signal.SIGINT})
"""Exit codes of a stopped worker: the signal reaches its whole process group."""
WORKER = "beside"
log = get_logger("recalld.supervisor")


class Supervisor:
    """One worker for a store, with the settings of ``config``. ``arguments`` follow the Python executable."""

    def __init__(self, config: Config, ports: Ports, *, arguments: Sequence[str] = ("-m", "recalld", "work")) -> None:
        self._ports = ports
        self._clock = ports.clock
        self._arguments = tuple(arguments)
        self._greeting, self._secrets = worker_settings.encode_settings(config), worker_settings.secret_values(config)
        self._heartbeat_timeout_s = config.worker.heartbeat_timeout_s
        self._status = 1
        self.pid = 0
        self.starts = 0
        self.failures = 0

    def state(self) -> str:
        """Return ``ok``, ``starting``, or the number of consecutive crashes, for readiness."""
        if self.pid:
            return "ok"
        return f"died {self.failures} times in a row" if self.failures else "starting"

    async def supervise(self) -> None:
        """Keep a worker alive until cancelled or the store is closed; the worker has ended when this returns."""
        try:
            await self._supervise()
        except asyncio.CancelledError:
            # Stopped, not crashed: its jobs resume at the next start without losing an attempt.
            with suppress(Closed):
                await self._release(counts=False)
            raise

    async def _supervise(self) -> None:
        shut = False
        while not shut:
            begun = self._clock.monotonic()
            try:
                # Release the leases of the dead worker, so that its jobs run again at once.
                await self._release(counts=self._status not in STOPPED)
                await self._life()
            except* Closed:
                shut = True
            except* OSError as refused:
                log.exception("worker start failed", exc_info=refused)
            self.failures = 1 if self._clock.monotonic() - begun > SETTLED_S else self.failures + 1
            if not shut:
                await self._clock.sleep(min(BACKOFF_S * 2 ** (self.failures - 1), BACKOFF_MAX_S))

    async def _life(self) -> None:
        child = await spawn(self._arguments, self._greeting, self._secrets)
        self.pid = child.process.pid
        self.starts += 1
        log.info("worker started", pid=self.pid)
        channel = Channel(child.sock, handlers=handlers(self._ports.ledger, self._ports.jobs, self._ports.cleanup))
        try:
            async with asyncio.TaskGroup() as group:
                beside = [
                    group.create_task(push_wakeups(self._ports.jobs, channel)),
                    group.create_task(self._watch(channel, child)),
                ]
                await channel.run()
                for task in beside:
                    task.cancel()
        finally:
            self.pid = 0
            channel.close()
            self._status = await child.end(GRACE_S)
            log.info("worker exited", pid=child.process.pid, status=self._status)

    async def _watch(self, channel: Channel, child: Child) -> None:
        """Kill a worker without a heartbeat; a healthy one sends one every second."""
        while True:
            await self._clock.sleep(self._heartbeat_timeout_s / 4)
            if channel.idle_s > self._heartbeat_timeout_s:
                log.error(
                    "worker heartbeat timeout, killing it", pid=child.process.pid, idle_s=round(channel.idle_s, 1)
                )
                child.kill()
                return

    async def _release(self, *, counts: bool) -> None:
        try:
            returned = await self._ports.jobs.release(worker=WORKER, counts=counts)
        except (Busy, Upstream) as late:
            # Leases expire anyway; a temporarily full disk must not stop the worker for good.
            log.warning("leases not released", error=str(late))
            return
        if returned:
            log.info("leases released", count=returned)
