"""Waiting for background work occupies no request slot, is bounded, and reports its outcome truthfully."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from recalld.app.config import ServerConfig
from recalld.app.engine import Engine
from recalld.app.sessions import SessionOperations
from recalld.surfaces.http.admission import LIMITS, Admission, Limits, RequestClass
from recalld.surfaces.http.app import Application, create_app
from recalld.surfaces.mcp.mount import Mcp
from tests.surfaces.http.slots import held

WRITE = {"uri": "viking://~/resources/a.md", "content": "tea", "wait": True}
SAY = "/api/v1/sessions/s/messages"
MESSAGE = {"role": "user", "content": "hello"}
ANA, BOB = {"X-OpenViking-User": "ana"}, {"X-OpenViking-User": "bob"}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Application]:
    """One request of each class at a time; nobody does the background work."""
    async with Engine.open(tmp_path, embedder={"provider": "none"}, worker="none") as engine:
        settings = ServerConfig(request_timeout_s=2.0, wait_timeout_s=30.0)
        app = create_app(engine, settings, mounted_apps={"/mcp": Mcp})
        app.app_state.admission = Admission(
            {one: Limits(1, 1, 1, 1) for one in LIMITS} | {RequestClass.WAIT: Limits(2, 0, 1, 0)}
        )
        yield app
        app.app_state.close()


@pytest.fixture
async def http(app: Application) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=60) as client:
        yield client


async def until_waiting(app: Application, count: int) -> None:
    while app.app_state.admission.loads()["wait"].running < count or app.app_state.admission.loads()["ingest"].running:
        await asyncio.sleep(0.001)


async def test_waiting_for_background_work_does_not_block_appends(app: Application, http: httpx.AsyncClient) -> None:
    waiting = asyncio.ensure_future(http.post("/api/v1/content/write", json=WRITE, headers=ANA))
    await until_waiting(app, 1)
    for who in (ANA, BOB):
        assert (await http.post(SAY, json=MESSAGE, headers=who)).status_code == 200
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_a_tool_that_waits_keeps_no_place_either(app: Application, http: httpx.AsyncClient) -> None:
    call = {"name": "write", "arguments": WRITE}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    accept = ANA | {"Accept": "application/json, text/event-stream"}
    waiting = asyncio.ensure_future(http.post("/mcp", json=body, headers=accept))
    await until_waiting(app, 1)
    assert (await http.post(SAY, json=MESSAGE, headers=BOB)).status_code == 200
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_waits_are_bounded_and_refused_before_anything_is_done(app: Application, http: httpx.AsyncClient) -> None:
    await http.post("/api/v1/content/write", json=WRITE | {"wait": False}, headers=ANA)
    waiting = [asyncio.ensure_future(http.post("/api/v1/system/wait", headers=ANA))]
    await until_waiting(app, 1)
    refused = await http.post("/api/v1/content/write", json=WRITE | {"content": "coffee"}, headers=ANA)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RESOURCE_EXHAUSTED")
    read = await http.get("/api/v1/content/read", params={"uri": "viking://~/resources/a.md"}, headers=ANA)
    assert read.json()["result"] == "tea"
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_wait_ends_at_its_own_deadline_and_the_work_goes_on(app: Application, http: httpx.AsyncClient) -> None:
    late = await http.post("/api/v1/content/write", json=WRITE | {"timeout": 0.05}, headers=ANA)
    assert late.status_code == 504
    assert "the work goes on" in late.json()["error"]["message"]
    loads = app.app_state.admission.loads()
    assert all(load[:2] == (0, 0) for load in loads.values())


async def test_a_wait_without_a_timeout_ends_at_the_servers(app: Application, http: httpx.AsyncClient) -> None:
    impatient = create_app(app.app_state.engine, ServerConfig(wait_timeout_s=0.05))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=impatient), base_url="http://127.0.0.1") as client:
        for path, body in (("/api/v1/content/write", WRITE), ("/api/v1/system/wait", {})):
            late = await client.post(path, json=body, headers=ANA)
            assert late.status_code == 504
            assert "the work goes on" in late.json()["error"]["message"]
    impatient.app_state.close()


async def test_a_request_that_never_started_is_not_reported_as_continuing(
    app: Application, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    forever = asyncio.Event()
    begun: list[str] = []

    async def append(sessions: SessionOperations, session_id: str, messages: Any, **_: Any) -> Any:
        begun.append(sessions.caller.user)
        await forever.wait()

    monkeypatch.setattr(SessionOperations, "append", append)
    first = asyncio.ensure_future(http.post(SAY, json=MESSAGE, headers=ANA))
    while not begun:
        await asyncio.sleep(0.001)
    second = asyncio.ensure_future(http.post(SAY, json=MESSAGE, headers=BOB))
    # Ana's place comes free at her deadline; Bob's request has by then waited nearly as long.
    late, other = [(await task).json()["error"] for task in (first, second)]
    assert late["code"] == "DEADLINE_EXCEEDED"
    assert "may still be completed" in late["message"]
    assert "the work goes on" not in late["message"] + other["message"]


async def test_a_queue_timeout_reports_that_nothing_started(
    app: Application, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = create_app(app.app_state.engine, ServerConfig(request_timeout_s=30.0, search_timeout_s=0.2))
    short.app_state.admission = app.app_state.admission
    transport = httpx.ASGITransport(app=short)
    async with (
        held(app.app_state.admission.acquire(RequestClass.RECALL, "cat")),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
    ):
        refused = await client.post("/api/v1/search/find", json={"query": "tea"}, headers=BOB)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert "nothing was started" in refused.json()["error"]["message"]
    short.app_state.close()


async def test_a_find_has_what_is_left_of_its_deadline_after_waiting_for_its_place(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadlines: list[float] = []
    admission = app.app_state.admission

    async def find(query: Any, caller: Any, ports: Any, *, deadline_s: float) -> Any:
        deadlines.append(deadline_s)
        raise AssertionError

    monkeypatch.setattr("recalld.app.recall.find", find)
    patient = create_app(app.app_state.engine, ServerConfig(search_timeout_s=2.0))
    patient.app_state.admission = admission
    transport = httpx.ASGITransport(app=patient, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        async with held(admission.acquire(RequestClass.RECALL, "cat")):
            asking = asyncio.ensure_future(client.post("/api/v1/search/find", json={"query": "tea"}, headers=BOB))
            while not admission.loads()["recall"].waiting:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.05)
        await asking
    patient.app_state.close()
    assert 1.0 <= deadlines[0] <= 1.95
