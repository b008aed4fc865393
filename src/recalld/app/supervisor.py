"""Runs one worker process beside the server: starts, monitors, restarts and stops it, and sends it its settings."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
from pydantic import SecretStr

from recalld.adapters.ipc.remote_writes import METHODS, handlers, push_wakeups
from recalld.domain.errors import Busy, Closed, Conflict, Upstream
from recalld.infra.child_process import Child, spawn
from recalld.infra.ipc import Channel, protocol_version
from recalld.infra.logs import get_logger
from recalld.ports.bundle import Ports

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
        self._greeting, self._secrets = encode_settings(config), secret_values(config)
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


SECRET_CHARS_MIN = 4
"""A shorter value occurs in too many places to be traced."""


def encode_settings(config: Config) -> bytes:
    """Serialise the settings as JSON, with the protocol's version, to be sent over the worker's socket.

    Arguments and the environment can be read by other programs. The server's own section is left out: a worker needs neither
    authentication settings nor the root key. Paths are absolute, since the worker has another working directory.
    """
    settings = config.model_copy(update={"data": config.folder.absolute()}).model_dump(exclude={"server"})
    return orjson.dumps({"protocol": protocol_version(METHODS), "settings": _plain(settings)})


def decode_settings(data: bytes) -> Config:
    """Parse the settings. Raises ``Conflict`` if the server speaks another version of the protocol."""
    greeting = orjson.loads(data)
    if greeting.get("protocol") != protocol_version(METHODS):
        raise Conflict(
            "the server that started this worker runs another version of recalld", remedy="restart the server"
        )
    return Config(**greeting["settings"])


def secret_values(config: Config) -> frozenset[str]:
    """Return every key and password in the settings, including the root key."""
    return frozenset(one for one in _secret_values(config.model_dump()) if len(one) >= SECRET_CHARS_MIN)


def _secret_values(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    for part in value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ():
        yield from _secret_values(part)


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items() if part is not None}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, Path) else value
