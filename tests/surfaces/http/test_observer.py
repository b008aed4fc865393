"""Observers show each component as last measured."""

from __future__ import annotations

import httpx
import pytest

from recalld.domain.results import Readiness
from tests.surfaces.http.fake_engine import FakeEngine

PARTS = ("queue", "vikingdb", "models", "lock", "retrieval", "filesystem")


async def seen(http: httpx.AsyncClient, part: str) -> dict[str, object]:
    answer = await http.get(f"/api/v1/observer/{part}")
    assert answer.status_code == 200
    result: dict[str, object] = answer.json()["result"]
    return result


@pytest.mark.parametrize("part", PARTS)
async def test_a_component_has_a_table_without_a_store_query(
    http: httpx.AsyncClient, engine: FakeEngine, part: str
) -> None:
    component = await seen(http, part)
    assert set(component) == {"name", "is_healthy", "has_errors", "status"}
    assert (component["name"], component["is_healthy"], component["has_errors"]) == (part, True, False)
    assert component["status"]
    assert engine.state.calls == []


async def test_jobs_that_were_given_up_are_an_error_and_a_queue_that_moves_is_healthy(
    http: httpx.AsyncClient, engine: FakeEngine
) -> None:
    engine.dead_jobs = 3
    component = await seen(http, "queue")
    assert (component["is_healthy"], component["has_errors"]) == (True, True)
    system = await seen(http, "system")
    assert system["errors"] == ["queue: 3 jobs failed for good"]


@pytest.mark.parametrize(
    ("check", "parts"),
    [
        ("store", {"vikingdb", "lock", "filesystem", "retrieval"}),
        ("embedding", {"retrieval"}),
        ("queue", {"queue"}),
        ("worker", {"queue"}),
        ("loop", {"retrieval"}),
    ],
)
async def test_errors_appear_in_their_components(
    http: httpx.AsyncClient, engine: FakeEngine, check: str, parts: set[str]
) -> None:
    engine.state_of_health = Readiness("degraded", (f"{check}: bad",), {check: "bad"})
    system = (await http.get("/api/v1/observer/system")).json()["result"]
    assert (system["is_healthy"], system["errors"]) == (False, [f"{check}: bad"])
    assert {name for name, part in system["components"].items() if not part["is_healthy"]} == parts
    assert set(system["components"]) == set(PARTS)
