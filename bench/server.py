"""A real server for measurements: started as users start it, looked at from outside."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from bench.wire import Wire

START_S_MAX = 60.0


class Server:
    """One ``recalld serve`` over the folder ``data``. ``start_s``: from exec to the first /health 200."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, data: Path, start_s: float) -> None:
        self.process = process
        self.data = data
        self.port = port
        self.start_s = start_s
        self.wire = Wire(port)

    def family(self) -> list[psutil.Process]:
        """The server and its worker."""
        top = psutil.Process(self.process.pid)
        return [top, *top.children(recursive=True)]

    def memory_mb(self) -> list[float]:
        """Resident memory of each, server first."""
        return [process.memory_info().rss / 1e6 for process in self.family()]

    def cpu_s(self) -> float:
        """CPU time of the server alone, so far."""
        spent = psutil.Process(self.process.pid).cpu_times()
        return float(spent.user + spent.system)

    async def ready(self) -> None:
        """Until the store is open."""
        try:
            while (await self.wire.send("GET", "/ready"))[0] != 200:
                await asyncio.sleep(0.02)
        except (OSError, asyncio.IncompleteReadError) as gone:
            raise RuntimeError("the server ended before its store was open: see its log") from gone

    async def settle(self) -> None:
        """Until no background work is left."""
        await self.wire.call("POST", "/api/v1/system/wait", {"timeout": 900})


@asynccontextmanager
async def serving(data: Path, **environment: str) -> AsyncIterator[Server]:
    """Start on a free port; stopped by SIGTERM at the end. Its log goes to ``data``.log."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "recalld", "serve", "--data", str(data), "--port", str(port)]
    with data.with_suffix(".log").open("ab") as log:
        begun = time.perf_counter()
        # Static vectors unless the environment names a model: MiniLM's background work would be in every figure.
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            env={"RECALLD_EMBEDDER__PROVIDER": "static", **os.environ, **environment},
            cwd=data.parent,
        )
    try:
        server = Server(process, port, data, await _first_health(process, port, begun))
        await server.ready()
        yield server
        server.wire.close()
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _first_health(process: subprocess.Popen[bytes], port: int, begun: float) -> float:
    while process.poll() is None and time.perf_counter() - begun < START_S_MAX:
        wire = Wire(port)
        try:
            if (await wire.send("GET", "/health"))[0] == 200:
                return time.perf_counter() - begun
        except OSError:
            await asyncio.sleep(0.005)
        finally:
            wire.close()
    raise RuntimeError("the server did not start: see its log")
