"""Large requests and answers share bounded memory."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from recalld.domain.errors import Busy
from recalld.domain.uri import Uri
from recalld.surfaces.http.admission import MemoryBudget
from recalld.surfaces.http.app import Application
from tests.surfaces.http.fake_engine import FakeEngine
from tests.surfaces.http.raw import posted

SAY = "/api/v1/sessions/s/messages"


def test_reserved_memory_is_released_however_it_ends() -> None:
    budget = MemoryBudget(100, 50)
    with pytest.raises(Busy) as refused, budget.reservation("ana") as memory:
        memory.reserve(30)
        memory.reserve(30)
    assert (refused.value.code, budget.reserved) == ("RESOURCE_EXHAUSTED", 0)


def test_callers_share_the_whole_and_one_alone_has_no_more_than_its_share() -> None:
    budget = MemoryBudget(100, 50)
    with budget.reservation("ana") as ana, budget.reservation("ben") as ben, budget.reservation("cat") as cat:
        ana.reserve(50)
        ben.reserve(50)
        with pytest.raises(Busy) as refused:
            cat.reserve(1)
    assert refused.value.code == "UNAVAILABLE"


async def test_bodies_on_their_way_are_bounded(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.app_state, "memory", MemoryBudget(3_000_000, 3_000_000))
    let_go = asyncio.Event()

    async def upload() -> int:
        sent = 0

        async def receive() -> dict[str, Any]:
            nonlocal sent
            sent += 1
            if sent == 3:
                await let_go.wait()
            return {"type": "http.request", "body": b" " * 1_000_000 if sent < 3 else b"{}", "more_body": sent < 3}

        return await posted(app, SAY, receive, [(b"content-type", b"application/json")])

    first = asyncio.ensure_future(upload())
    while app.app_state.memory.reserved < 2_000_000:
        await asyncio.sleep(0)
    assert await upload() == 429
    let_go.set()
    assert await first == 400
    assert app.app_state.memory.reserved == 0


async def test_an_answer_is_counted_until_it_has_been_read(
    app: Application, engine: FakeEngine, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.app_state, "memory", MemoryBudget(1_500_000, 1_500_000))
    engine.state.files[Uri.parse("viking://resources/a.md")] = b"x" * 1_000_000
    reading = {"params": {"uri": "viking://resources/a.md"}}
    with app.app_state.memory.reservation("default/default") as other:
        other.reserve(1_000_000)
        refused = await http.get("/api/v1/content/read", **reading)  # type: ignore[arg-type]
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RESOURCE_EXHAUSTED")
    assert (await http.get("/api/v1/content/read", **reading)).status_code == 200  # type: ignore[arg-type]
    assert app.app_state.memory.reserved == 0
