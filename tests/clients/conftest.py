"""Fixtures of the client tests: HTTP to a real engine in this process, and a real server for other programs."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from recalld.app.config import ServerConfig
from recalld.app.engine import Engine
from recalld.surfaces.http.app import create_app
from recalld.surfaces.mcp.mount import Mcp
from tests.live import Server, serving
from tests.tripwire import Tripwire

DEFAULTS = {"RECALLD_EMBEDDER__PROVIDER": "static"}
"""Strangers' programs meet recalld as it is installed."""


@pytest.fixture
async def http(tmp_path: Path, tripwire: Tripwire) -> AsyncIterator[httpx.AsyncClient]:
    """All routes and the tools, over an engine of their own that does its background work by itself."""
    async with Engine.open(tmp_path / "data", embedder={"provider": "hash"}) as engine:
        tripwire.trips.clear()  # the wire is stretched for requests, not for making the folder
        app = create_app(engine, ServerConfig(), mounted_apps={"/mcp": Mcp})
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as wire:
            yield wire
        app.app_state.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running ``recalld serve`` for a module's tests, over an empty folder."""
    with serving(tmp_path_factory.mktemp("clients") / "data", **DEFAULTS) as running:
        yield running


@pytest.fixture
def unused() -> Callable[[], int]:
    """A port nobody listens on."""

    def free() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return free
