"""An application over a fake engine, and a client that talks to it in process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from recalld.app.config import ServerConfig
from recalld.surfaces.http.app import Application, create_app
from tests.surfaces.http.fake_engine import FakeEngine


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    return FakeEngine(tmp_path / "uploads")


@pytest.fixture(scope="session")
def built() -> Iterator[Application]:
    """Built once: what differs between tests is the engine behind it."""
    app = create_app(None, ServerConfig())
    yield app
    app.app_state.close()


@pytest.fixture
def app(built: Application, engine: FakeEngine) -> Application:
    built.app_state.engine = engine  # type: ignore[assignment]
    return built


@pytest.fixture
async def http(app: Application) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client
