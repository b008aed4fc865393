"""Search and append answer on a real server during an import."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bench import corpus, load
from bench.server import Server, serving
from bench.table import quantile
from bench.wire import Wire

pytestmark = [pytest.mark.load, pytest.mark.live]
FILES = 300


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(tmp_path / "store") as running:
        yield running


async def begin_import(server: Server, files: int = FILES) -> str:
    """Start an import and return its task."""
    file_id = await server.wire.upload("load.zip", corpus.archive(0, files))
    body = {"temp_file_id": file_id, "to": "viking://resources/bench"}
    return str((await server.wire.call("POST", "/api/v1/resources", body))["task_id"])


async def status(server: Server, task_id: str) -> str:
    return str((await server.wire.call("GET", f"/api/v1/tasks/{task_id}"))["status"])


async def ended(server: Server, task_id: str) -> str:
    while (now := await status(server, task_id)) in {"pending", "running"}:
        await asyncio.sleep(0.02)
    return now


async def found(wire: Wire, query: str, **more: Any) -> list[str]:
    got = await wire.call("POST", "/api/v1/search/find", {"query": query, "limit": 10, "score_threshold": 0, **more})
    return [hit["uri"] for part in ("memories", "resources", "skills") for hit in got[part]]


async def test_requests_are_not_refused_during_an_import_and_many_searches(server: Server) -> None:
    clients = (
        {"kind": "find", "clients": 8, "think_s": 0.02},
        {"kind": "append", "clients": 1, "think_s": 0.02},
        {"kind": "health", "clients": 1, "think_s": 0.01},
    )
    async with load.loading(server.port, FILES, *clients) as running:
        assert await ended(server, await begin_import(server)) == "completed"
        seen = await running.end()
    assert {kind: stream["errors"] for kind, stream in seen.items()} == {"find": 0, "append": 0, "health": 0}
    # Health does not queue behind the crowd: its slow tail is no slower than an ordinary search.
    assert quantile(seen["health"]["ms"], 0.5) < quantile(seen["find"]["ms"], 0.5)
    await server.settle()
    titles = [await found(server.wire, f"note {number}") for number in range(0, FILES, 30)]
    assert all(titles)


async def test_messages_appended_during_an_import_are_found_before_it_ends(server: Server) -> None:
    task_id = await begin_import(server, 2 * FILES)
    message = {"role": "user", "content": "The quartz heron nests behind the lighthouse."}
    await server.wire.call("POST", "/api/v1/sessions/talk/messages", message)
    hits = await found(server.wire, "quartz heron lighthouse")
    still = await status(server, task_id)
    assert [uri for uri in hits if "/sessions/talk/messages/" in uri]
    assert still in {"pending", "running"}
