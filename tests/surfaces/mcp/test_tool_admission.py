"""A tool call holds a slot: calls beyond the limit are refused at once, and each has a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from recalld.app.config import ServerConfig
from recalld.app.engine import Engine, Workspace
from recalld.surfaces.http.admission import LIMITS, Admission, Limits, RequestClass
from recalld.surfaces.http.app import Application, create_app
from recalld.surfaces.mcp.mount import Mcp
from recalld.surfaces.mcp.tools import TOOLS

FIND = {"name": "find", "arguments": {"query": "where"}}
WRITE = {"name": "write", "arguments": {"uri": "viking://resources/a.md", "content": "tea"}}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Application]:
    async with Engine.open(tmp_path, embedder={"provider": "none"}) as engine:
        app = create_app(engine, ServerConfig(request_timeout_s=0.2), mounted_apps={"/mcp": Mcp})
        app.app_state.admission = Admission({one: Limits(1, 1, 1, 1) for one in LIMITS})
        yield app
        app.app_state.close()


async def call(app: Application, params: dict[str, Any]) -> str:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as http:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        accept = {"Accept": "application/json, text/event-stream"}
        answer = (await http.post("/mcp", json=body, headers=accept)).json()
    return str(answer["result"]["content"][0]["text"])


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    async def find(workspace: Workspace, query: str, **options: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(Workspace, "find", find)


async def test_a_tool_too_many_is_refused_and_other_classes_go_on(app: Application, never: None) -> None:
    there = [asyncio.ensure_future(call(app, FIND)) for _ in range(2)]
    while app.app_state.admission.loads()["recall"].waiting < 1:
        await asyncio.sleep(0.001)
    assert (await call(app, FIND)).startswith("Error [RESOURCE_EXHAUSTED]")
    assert "viking://resources/a.md" in await call(app, WRITE)
    assert [text.split(":")[0] for text in await asyncio.gather(*there)] == ["Error [DEADLINE_EXCEEDED]"] * 2
    assert app.app_state.admission.loads()["recall"][:2] == (0, 0)


def test_every_tool_has_a_class() -> None:
    assert {tool.kind for tool in TOOLS} <= {one.value for one in RequestClass}
