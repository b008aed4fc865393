"""Routes under load, and clients that go away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from recalld.surfaces.http import endpoint
from recalld.surfaces.http.admission import Admission, Limits, RequestClass, request_class
from recalld.surfaces.http.app import ENDPOINTS, Application
from tests.surfaces.http.fake_engine import FakeEngine, FakeWorkspace
from tests.surfaces.http.raw import posted

FIND = "/api/v1/search/find"
QUERY = {"query": "where"}


class Slow:
    """A find that ends when it is let go; knows who was cut off."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.let_go = asyncio.Event()
        self.begun = 0
        self.cut_off = 0
        honest = FakeWorkspace.find

        async def find(workspace: FakeWorkspace, *args: Any, **more: Any) -> Any:
            self.begun += 1
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                self.cut_off += 1
                raise
            return await honest(workspace, *args, **more)

        monkeypatch.setattr(FakeWorkspace, "find", find)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    return Slow(monkeypatch)


@pytest.fixture
async def narrow(app: Application) -> AsyncIterator[Application]:
    """One request of each class at a time, one more may wait."""
    before = app.app_state.admission
    app.app_state.admission = Admission({one: Limits(1, 1, 1, 1) for one in (RequestClass.RECALL, RequestClass.INGEST)})
    yield app
    app.app_state.admission = before


async def ask(http: httpx.AsyncClient, slow: Slow, begun: int) -> asyncio.Task[httpx.Response]:
    task = asyncio.ensure_future(http.post(FIND, json=QUERY))
    while slow.begun < begun:
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)
    return task


async def test_a_request_beyond_the_limits_gets_retry_after_at_once(
    narrow: Application, http: httpx.AsyncClient, slow: Slow
) -> None:
    running, waiting = await ask(http, slow, 1), await ask(http, slow, 1)
    refused = await http.post(FIND, json=QUERY)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RESOURCE_EXHAUSTED")
    other = await http.post(FIND, json=QUERY, headers={"X-OpenViking-User": "ben"})
    assert (other.status_code, other.json()["error"]["code"]) == (503, "UNAVAILABLE")
    assert float(refused.headers["retry-after"]) > 0
    slow.let_go.set()
    assert [(await task).status_code for task in (running, waiting)] == [200, 200]


async def test_a_storm_of_questions_keeps_no_message_out(
    narrow: Application, http: httpx.AsyncClient, slow: Slow
) -> None:
    storm = [await ask(http, slow, 1), await ask(http, slow, 1)]
    response = await http.post("/api/v1/sessions/s/messages", json={"role": "user", "content": "hello"})
    assert response.status_code == 200
    assert (await http.get("/health")).status_code == 200
    slow.let_go.set()
    await asyncio.gather(*storm)


async def test_a_disconnect_cancels_the_request(
    app: Application, engine: FakeEngine, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "DISCONNECT_CHECK_AFTER_S", 0.0)
    left = asyncio.Event()
    messages = [{"type": "http.request", "body": b'{"query":"where"}', "more_body": False}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    asking = asyncio.ensure_future(posted(app, FIND, receive, [(b"content-type", b"application/json")]))
    while not slow.begun:
        await asyncio.sleep(0)
    left.set()
    assert await asking == 0
    assert slow.cut_off == 1
    assert app.app_state.admission.loads()["recall"][:2] == (0, 0)


@pytest.mark.parametrize(
    ("route", "wanted"),
    [
        ("POST /api/v1/sessions/{session_id}/messages", RequestClass.INGEST),
        ("POST /api/v1/search/search", RequestClass.RECALL),
        ("GET /api/v1/content/read", RequestClass.RECALL),
        ("POST /api/v1/resources", RequestClass.BULK),
        ("POST /api/v1/content/batch-write", RequestClass.BULK),
        ("GET /api/v1/observer/queue", RequestClass.ADMIN),
        ("GET /health", RequestClass.OPEN),
        ("GET /api/v1/tasks/{task_id}", RequestClass.RECALL),
        ("POST /api/v1/system/wait", RequestClass.WAIT),
    ],
)
def test_a_route_has_the_class_of_what_it_is_for(route: str, wanted: RequestClass) -> None:
    method, path = route.split()
    assert any((endpoint.method, endpoint.path) == (method, path) for endpoint in ENDPOINTS)
    assert request_class(method, path) is wanted
