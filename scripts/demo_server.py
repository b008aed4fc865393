"""A server of the demo's own: started, watched, and always stopped."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psutil

from recalld.domain.errors import RecalldError
from recalld.surfaces.client import Client

START_WITHIN_S = 30.0
STOP_WITHIN_S = 20.0
POLL_S = 0.05


@dataclass(frozen=True)
class Server:
    """A running server: its address, how long it took to answer, and its process."""

    url: str
    started_s: float
    process: psutil.Process

    def memory_mb(self) -> dict[str, float]:
        """Memory of its own (not shared with other programs), by process: api and worker."""
        shares = {"api": _own_mb(self.process)}
        for child in self.process.children(recursive=True):
            shares["worker"] = shares.get("worker", 0.0) + _own_mb(child)
        return shares


@contextmanager
def served(folder: Path) -> Iterator[Server]:
    """``recalld serve`` over an empty store in ``folder``, gone with all its processes when the block is left."""
    shutil.rmtree(folder / "store", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    url = f"http://127.0.0.1:{_free_port()}"
    log = folder / "server.log"
    words = [sys.executable, "-m", "recalld", "serve", "--data", str(folder / "store"), "--port", url.rsplit(":", 1)[1]]
    began = time.monotonic()
    with _terminated_as_interrupted(), log.open("wb") as output:
        # A session of its own: Ctrl-C reaches us alone, and we end it in order.
        process = subprocess.Popen(words, stdout=output, stderr=output, env=_environment(), start_new_session=True)
        try:
            _await_health(process, url, log)
            yield Server(url, time.monotonic() - began, psutil.Process(process.pid))
        finally:
            _stop(process)


def _environment() -> dict[str, str]:
    """Ours without settings meant for another server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RECALLD_")}


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _await_health(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + START_WITHIN_S
    with Client(url) as client:
        while time.monotonic() < until:
            if process.poll() is not None:
                raise SystemExit(f"the server ended at once; {log} says:\n{log.read_text(errors='replace')[-2000:]}")
            try:
                client.health()
                if client.ready().get("status") == "ready":
                    return
            except RecalldError:
                pass  # not listening yet
            time.sleep(POLL_S)
    raise SystemExit(f"the server was not ready after {START_WITHIN_S:g} s; {log} says:\n{log.read_text()[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, wait, then end whatever is left of it."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    process.terminate()
    try:
        process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, left = psutil.wait_procs(family, timeout=5)
    for child in left:
        child.kill()


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """A SIGTERM to us ends the demo the way Ctrl-C does, so that the server is stopped too."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _own_mb(process: psutil.Process) -> float:
    try:
        facts = process.memory_full_info()
        return float(getattr(facts, "pss", 0) or facts.rss) / 1e6
    except psutil.Error:
        return 0.0
