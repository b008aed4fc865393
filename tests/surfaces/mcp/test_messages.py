"""One message over HTTP and its answer: parsed leniently, limited and counted like any route."""

from __future__ import annotations

import asyncio
import codecs
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Message

from recalld.app.config import ServerConfig
from recalld.app.engine import Engine, Workspace
from recalld.surfaces.http.admission import MemoryBudget
from recalld.surfaces.http.app import Application, create_app
from recalld.surfaces.http.body import JSON_BYTES_MAX, VALUES_MAX
from recalld.surfaces.mcp.mount import Mcp

NOTE = "viking://resources/note.md"
JSON = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Application]:
    async with Engine.open(tmp_path, embedder={"provider": "none"}) as engine:
        app = create_app(engine, ServerConfig(), mounted_apps={"/mcp": Mcp})
        yield app
        app.app_state.close()


@pytest.fixture
async def http(app: Application) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://localhost", headers=JSON, timeout=60
    ) as http:
        yield http


def calls(tool: str, **arguments: Any) -> bytes:
    params = {"name": tool, "arguments": arguments}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()


def writes(content: bytes) -> bytes:
    return calls("write", uri=NOTE, content="HERE").replace(b"HERE", content)


def result_text(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.json()["result"]["content"][0]["text"])


@pytest.mark.parametrize(
    ("message", "stored"),
    [
        (codecs.BOM_UTF8 + writes(b"tea"), "tea"),
        (writes(rb"blue door \ud83d"), "blue door \ufffd"),
        (writes(rb"half \udc00 of it"), "half \ufffd of it"),
        (writes("caf\xe9 au lait, d\xe9j\xe0 vu".encode("latin-1")), "café au lait, déjà vu"),
        (writes(b"tea").decode().encode("utf-16"), "tea"),
        (writes("whole 🚪".encode()), "whole 🚪"),
        (writes(b"long \\ud83d " + b"x" * 100_000), "long \ufffd " + "x" * 100_000),
    ],
    ids=["mark", "half-emoji", "other-half", "code-page", "utf-16", "whole", "large"],
)
async def test_odd_characters_cost_no_message(http: httpx.AsyncClient, message: bytes, stored: str) -> None:
    assert "bytes)" in result_text(await http.post("/mcp", content=message))
    read = await http.get("/api/v1/content/read", params={"uri": NOTE})
    assert read.json()["result"] == stored


@pytest.mark.parametrize(
    ("message", "status", "word"),
    [
        (b"[" + calls("health") + b"]", 400, "batch"),
        (b"{", 400, "line 1"),
        (calls("find", query="x", min_score=0).replace(b": 0}", b": NaN}"), 400, "NaN"),
        (calls("find", query="x").replace(b'"x"', b"[" * 500 + b"]" * 500), 400, "nested"),
        (b'{"a":[' + b"1," * VALUES_MAX + b"1]}", 400, "values"),
        (b"x" * (JSON_BYTES_MAX + 1), 413, "larger"),
    ],
    ids=["batch", "cut", "nan", "deep", "fine-grained", "large"],
)
async def test_malformed_messages_get_json_rpc_errors(
    http: httpx.AsyncClient, message: bytes, status: int, word: str
) -> None:
    answer = await http.post("/mcp", content=message)
    assert (answer.status_code, answer.json()["jsonrpc"]) == (status, "2.0")
    assert word in answer.json()["error"]["message"]


@pytest.mark.parametrize("accept", ["text/event-stream", "*/*", "application/json", ""])
async def test_there_is_no_stream_that_holds_a_connection(http: httpx.AsyncClient, accept: str) -> None:
    async with asyncio.timeout(10):
        answer = await http.get("/mcp", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_a_message_and_its_answer_count_while_they_are_in_memory(
    app: Application, http: httpx.AsyncClient
) -> None:
    text = "tea and biscuits\n" * 20_000
    result_text(await http.post("/mcp", content=calls("write", uri=NOTE, content=text)))
    app.app_state.memory = MemoryBudget(total=64 * 1024)
    refused = [
        await http.post("/mcp", content=calls("write", uri=NOTE, content=text + "more")),
        await http.post("/mcp", content=calls("read", uris=NOTE)),
    ]
    assert [(one.status_code, one.headers["retry-after"]) for one in refused] == [(503, "1")] * 2
    assert "memory" in refused[1].json()["error"]["message"]
    assert "recalld is" in result_text(await http.post("/mcp", content=calls("health")))
    assert app.app_state.memory.reserved == 0


async def test_a_large_answer_leaves_in_slices(app: Application, http: httpx.AsyncClient) -> None:
    result_text(await http.post("/mcp", content=calls("write", uri=NOTE, content="tea and biscuits\n" * 20_000)))
    sent = await exchanged(app, calls("read", uris=NOTE), [])
    sizes = [len(one.get("body", b"")) for one in sent if one["type"] == "http.response.body"]
    assert sum(sizes) > 90_000
    assert max(sizes) <= 64 * 1024


async def test_a_tool_ends_when_its_client_has_left(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def find(workspace: Workspace, query: str, **options: Any) -> Any:
        try:
            began.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr(Workspace, "find", find)
    sent = await exchanged(app, calls("find", query="x"), [began])
    assert ended.is_set()
    assert sent == []
    assert app.app_state.memory.reserved == 0


async def exchanged(app: Application, message: bytes, then_leaves: list[asyncio.Event]) -> list[Message]:
    """What is sent to a client who stays, or who leaves after an event."""
    incoming = [{"type": "http.request", "body": message, "more_body": False}]
    sent: list[Message] = []

    async def receive() -> Message:
        if incoming:
            return incoming.pop()
        await (then_leaves[0] if then_leaves else asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(one: Message) -> None:
        sent.append(one)

    headers = [(name.lower().encode(), value.encode()) for name, value in JSON.items()]
    scope = {
        "type": "http", "method": "POST", "path": "/mcp", "raw_path": b"/mcp", "query_string": b"", "root_path": "",
        "scheme": "http", "http_version": "1.1", "server": ("localhost", 80), "client": ("127.0.0.1", 1),
        "headers": [(b"host", b"localhost"), *headers],
    }  # fmt: skip
    async with asyncio.timeout(30):
        await app(scope, receive, send)
    return sent
