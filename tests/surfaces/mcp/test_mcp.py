"""The tools over HTTP: raw requests and the official client, against a real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from recalld.app.config import ServerConfig
from recalld.app.engine import Engine
from recalld.infra.tripwire import Tripwire
from recalld.surfaces.http.app import create_app
from recalld.surfaces.mcp.mount import Mcp
from recalld.surfaces.mcp.tools import TOOLS

ACCEPT = {"Accept": "application/json, text/event-stream"}
TEA = "viking://resources/notes/tea.md"


class Agent:
    def __init__(self, http: httpx.AsyncClient, user: str = "ana") -> None:
        self.http = http
        self.headers = {**ACCEPT, "X-OpenViking-User": user}

    async def ask(self, method: str, **params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = await self.http.post("/mcp", json=body, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def __call__(self, tool: str, **arguments: Any) -> tuple[str, bool]:
        result = (await self.ask("tools/call", name=tool, arguments=arguments))["result"]
        return result["content"][0]["text"], bool(result.get("isError"))

    async def told(self, tool: str, **arguments: Any) -> str:
        text, failed = await self(tool, **arguments)
        assert not failed, text
        return text


@pytest.fixture
async def http(tmp_path: Path, tripwire: Tripwire) -> AsyncIterator[httpx.AsyncClient]:
    async with Engine.open(tmp_path, embedder={"kind": "none"}) as engine:
        tripwire.trips.clear()  # the wire is stretched for requests, not for making the folder
        app = create_app(engine, ServerConfig(), guests={"/mcp": Mcp})
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://test", timeout=60
        ) as http:
            yield http
        app.front.close()


@pytest.fixture
def ana(http: httpx.AsyncClient) -> Agent:
    return Agent(http)


async def test_the_server_calls_itself_openviking(ana: Agent) -> None:
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
    assert (await ana.ask("initialize", **hello))["result"]["serverInfo"]["name"] == "openviking"


async def test_fifteen_tools_are_listed_with_flat_schemas(ana: Agent) -> None:
    tools = (await ana.ask("tools/list"))["result"]["tools"]
    assert len(tools) == 15
    assert [t["name"] for t in tools] == [t.name for t in TOOLS]
    assert not any(word in str(tools) for word in ("$ref", "anyOf"))


async def test_what_was_written_is_found_read_edited_and_forgotten(ana: Agent) -> None:
    assert TEA in await ana.told("write", uri=TEA, content="# Tea\n\nAna drinks oolong at dawn.\n")
    found = await ana.told("find", query="when does Ana drink oolong", min_score=0.0)
    assert found.startswith("Found 1 item(s):\n- [resource ")
    assert TEA in found
    assert "oolong" in await ana.told("search", query="oolong", min_score=0.0)
    assert "oolong" in await ana.told("search", query="oolong", mode="context", min_score=0.0)
    assert "[file] tea.md" in await ana.told("list", uri="viking://resources/notes")
    assert "[file] tea.md" in await ana.told("tree", uri="viking://resources")
    assert f"{TEA}:3:" in await ana.told(
        "grep", uri="viking://resources", pattern=["OOLONG", "none"], case_insensitive=True
    )
    assert TEA in await ana.told("glob", pattern="**/*.md", uri="viking://resources")
    await ana.told("edit", uri=TEA, old_string="oolong", new_string="sencha")
    both = await ana.told("read", uris=[TEA, "viking://resources/none.md"])
    assert f"=== {TEA} ===\n# Tea\n\nAna drinks sencha" in both
    assert "=== viking://resources/none.md ===\nError:" in both
    await ana.told("forget", uri=TEA)
    assert await ana.told("find", query="sencha") == "No matching context found."


async def test_what_is_remembered_is_seen_by_nobody_else(ana: Agent, http: httpx.AsyncClient) -> None:
    told = await ana.told("remember", messages=[{"role": "user", "content": "The key is under the fern."}])
    assert "session mcp-store-" in told
    assert "fern" in await ana.told("find", query="key under the fern", min_score=0.0)
    assert (
        await Agent(http, "bob").told("find", query="key under the fern", min_score=0.0) == "No matching context found."
    )


@pytest.mark.parametrize(
    ("tool", "arguments", "word"),
    [
        ("find", {}, "query"),
        ("find", {"query": "x", "limit": "ten"}, "limit"),
        ("find", {"query": "x", "limit": 0}, "limit"),
        ("find", {"query": "x", "colour": 1}, "colour"),
        ("write", {"uri": "viking://resources/../x", "content": ""}, "INVALID_URI"),
        ("read", {"uris": "viking://resources/none.md"}, "NOT_FOUND"),
        ("forget", {"uri": "viking://resources/none.md"}, "NOT_FOUND"),
        ("cancel_watch", {"to_uri": "viking://resources/x"}, "later release"),
        ("add_resource", {"path": "https://example.com"}, "later release"),
        ("fly", {}, "no tool"),
    ],
)
async def test_a_refusal_is_a_text_that_names_the_fault(
    ana: Agent, tool: str, arguments: dict[str, Any], word: str
) -> None:
    text, failed = await ana(tool, **arguments)
    assert failed
    assert word in text


async def test_an_upload_becomes_a_resource(ana: Agent) -> None:
    sent = await ana.http.post(
        "/api/v1/resources/temp_upload",
        files={"file": ("p.md", b"# P\n\nwords\n")},
        headers={"X-OpenViking-User": "ana"},
    )
    told = await ana.told("add_resource", temp_file_id=sent.json()["result"]["temp_file_id"])
    assert "viking://resources/p" in told


async def test_a_local_path_is_answered_with_how_to_upload(ana: Agent) -> None:
    assert "temp_upload" in await ana.told("add_resource", path="/home/ana/notes.md")
    assert "later release" in await ana.told("list_watches")
    assert "recalld is" in await ana.told("health")


async def test_wrong_methods_bodies_and_names_are_refused(http: httpx.AsyncClient) -> None:
    assert (await http.put("/mcp")).status_code == 405
    assert (
        await http.post("/mcp", content=b"{", headers={**ACCEPT, "Content-Type": "application/json"})
    ).status_code == 400
    bad = await http.post("/mcp", json={}, headers={**ACCEPT, "X-OpenViking-User": "a b"})
    assert (bad.status_code, bad.json()["error"]["code"]) == (400, -32001)


async def test_before_the_store_is_open_a_call_may_be_repeated() -> None:
    app = create_app(None, ServerConfig(), guests={"/mcp": Mcp})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as http:
        answer = await http.post("/mcp", json={}, headers=ACCEPT)
    app.front.close()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
