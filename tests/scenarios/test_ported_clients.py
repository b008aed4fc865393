"""What programs written for the original count on, against a real engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from recalld.app.config import ServerConfig
from recalld.app.engine import Engine
from recalld.surfaces.http.app import create_app
from tests.scenarios.test_http_story import Client, client

__all__ = ["client"]

NAMED = {"op": "must", "field": "name", "conds": ["tea.md"]}
NARROW = {"op": "and", "conds": [NAMED, {"op": "must", "field": "level", "conds": [2]}]}


async def written(client: Client, uri: str, text: str) -> None:
    await client("POST", "/content/write", json={"uri": uri, "content": text})


@pytest.mark.parametrize("route", ["find", "search"])
async def test_a_find_tells_which_part_of_a_filter_it_ignored(client: Client, route: str) -> None:
    await written(client, "viking://resources/tea.md", "Ana drinks oolong at dawn")
    body = {"query": "oolong", "filter": NARROW}
    answer = await client.http.post(f"/api/v1/search/{route}", json=body)
    assert answer.headers["X-Recalld-Ignored"] == "name"
    assert answer.json()["result"]["total"] == 1
    kept = await client.http.post(f"/api/v1/search/{route}", json={**body, "filter": NARROW["conds"][1]})
    assert "X-Recalld-Ignored" not in kept.headers


async def test_a_block_and_a_count_tell_it_too(client: Client) -> None:
    body = {"query": "oolong", "mode": "context", "filter": NAMED}
    assert (await client.http.post("/api/v1/search/search", json=body)).headers["X-Recalld-Ignored"] == "name"
    asked = {"filter": '{"op":"must","field":"active_count","conds":[1]}'}
    counted = await client.http.get("/api/v1/debug/vector/count", params=asked)
    assert counted.headers["X-Recalld-Ignored"] == "active_count"


STRICT: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/search/find", {"json": {"query": "q", "filter": NAMED}}),
    ("POST", "/search/search", {"json": {"query": "q", "filter": NAMED}}),
    ("POST", "/search/search", {"json": {"query": "q", "mode": "context", "filter": NAMED}}),
    ("GET", "/debug/vector/count", {"params": {"filter": '{"op":"must","field":"name","conds":["x"]}'}}),
]


async def test_a_strict_server_refuses_such_a_filter(tmp_path: Path) -> None:
    settings = {"embedder": {"kind": "none"}, "search": {"strict_filters": True}}
    async with Engine.open(tmp_path, worker="none", **settings) as engine:
        app = create_app(engine, ServerConfig())
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            strict = Client(http)
            for method, path, request in STRICT:
                assert await strict.refused(method, path, **request) == (400, "INVALID_FILTER")
            narrow = {"query": "q", "filter": NARROW["conds"][1]}
            assert (await strict("POST", "/search/find", json=narrow))["total"] == 0
        app.front.close()
