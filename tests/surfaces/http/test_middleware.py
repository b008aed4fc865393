"""Headers, envelopes and errors common to all routes."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from recalld.app.config import ServerConfig
from recalld.domain.errors import (
    Busy,
    Closed,
    Conflict,
    Corrupt,
    Denied,
    Invalid,
    NotFound,
    Upstream,
    deadline_exceeded,
)
from recalld.surfaces.http.app import create_app
from recalld.surfaces.http.middleware import RequestRecord
from recalld.surfaces.http.reply import STATUS
from tests.surfaces.http.fake_engine import FakeEngine

FIND = "/api/v1/search/find"
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


async def test_an_answer_carries_the_requests_id_and_its_time(http: httpx.AsyncClient) -> None:
    echoed = await http.get("/health", headers={"X-Request-ID": "a.b:c_d-1"})
    assert echoed.headers.get_list("X-Request-ID") == ["a.b:c_d-1"]
    assert float(echoed.headers["X-Process-Time"]) >= 0
    generated = await http.get("/health")
    assert UUID4.fullmatch(generated.headers["X-Request-ID"])


@pytest.mark.parametrize(
    "headers",
    [[("X-Request-ID", "")], [("X-Request-ID", "a b")], [("X-Request-ID", "x" * 129)], [("X-Request-ID", "a")] * 2],
)
async def test_a_request_id_that_cannot_be_logged_is_replaced(
    http: httpx.AsyncClient, headers: list[tuple[str, str]]
) -> None:
    answer = await http.get("/health", headers=headers)
    assert answer.status_code == 200
    assert UUID4.fullmatch(answer.headers["X-Request-ID"])


async def test_success_and_failure_wear_the_envelope(http: httpx.AsyncClient) -> None:
    good = (await http.post(FIND, json={"query": "x"})).json()
    assert list(good) == ["status", "result", "error", "telemetry", "profile"]
    assert (good["status"], good["error"], good["telemetry"]) == ("ok", None, None)
    bad = (await http.post(FIND, json={})).json()
    assert set(bad["error"]) == {"code", "message", "details"}
    assert bad["status"] == "error"


async def test_telemetry_is_returned_on_request(http: httpx.AsyncClient) -> None:
    telemetry = (await http.post(FIND, json={"query": "x", "telemetry": True})).json()["telemetry"]
    assert telemetry["id"].startswith("tm_")
    assert set(telemetry["summary"]) == {"operation", "status", "duration_ms"}
    assert telemetry["summary"]["operation"] == "search.find"
    short = (await http.post(FIND, json={"query": "x", "telemetry": {"summary": False}})).json()["telemetry"]
    assert set(short) == {"id"}


async def test_validation_problems_are_listed_by_place(http: httpx.AsyncClient) -> None:
    error = (await http.post(FIND, json={"query": 5, "limit": "x"})).json()["error"]
    assert error["message"].startswith("Invalid request parameters: body.query: ")
    places = [p["loc"] for p in error["details"]["validation_errors"]]
    assert places == [["body", "query"], ["body", "limit"]]
    assert all(set(p) == {"loc", "message", "type"} for p in error["details"]["validation_errors"])


async def test_a_thousand_problems_make_a_short_answer(http: httpx.AsyncClient) -> None:
    messages = [{"content": "x"}] * 100
    answer = await http.post("/api/v1/sessions/s/messages/batch", json={"messages": messages})
    assert len(answer.json()["error"]["details"]["validation_errors"]) == 20


async def test_unknown_paths_and_methods_wear_the_envelope(http: httpx.AsyncClient) -> None:
    unknown, method = await http.get("/api/v1/nope"), await http.put(FIND)
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "NOT_FOUND")
    assert (method.status_code, method.json()["error"]["code"]) == (405, "UNKNOWN")
    assert "X-Request-ID" in unknown.headers


@pytest.mark.parametrize(
    ("error", "status", "code", "retry"),
    [
        (Invalid("m", remedy="r"), 400, "INVALID_ARGUMENT", None),
        (Denied("m", remedy="r"), 403, "PERMISSION_DENIED", None),
        (NotFound("m", remedy="r"), 404, "NOT_FOUND", None),
        (Conflict("m", remedy="r"), 409, "CONFLICT", None),
        (Conflict("m", remedy="r", code="FAILED_PRECONDITION"), 412, "FAILED_PRECONDITION", None),
        (Busy("m", retry_after_s=2.2, remedy="r"), 503, "UNAVAILABLE", "3"),
        (Busy("m", retry_after_s=0.1, remedy="r", code="RESOURCE_EXHAUSTED"), 429, "RESOURCE_EXHAUSTED", "1"),
        (Upstream("m", remedy="r"), 503, "UNAVAILABLE", "1"),
        (Closed("m", remedy="r"), 503, "UNAVAILABLE", "1"),
        (Corrupt("m", remedy="r"), 500, "INTERNAL", None),
        (Invalid("m", remedy="r", code="RESOURCE_EXHAUSTED"), 413, "RESOURCE_EXHAUSTED", None),
        (Invalid("m", remedy="r", code="UNAVAILABLE"), 503, "UNAVAILABLE", None),
        (Invalid("m", remedy="r", code="NEVER_HEARD_OF"), 500, "NEVER_HEARD_OF", None),
        (deadline_exceeded("find", 2, "r"), 504, "DEADLINE_EXCEEDED", None),
    ],
)
async def test_families_become_codes_and_statuses(
    http: httpx.AsyncClient, engine: FakeEngine, error: Exception, status: int, code: str, retry: str | None
) -> None:
    engine.state.raises["find"] = error
    answer = await http.post(FIND, json={"query": "x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers.get("Retry-After") == retry
    assert answer.json()["error"]["message"].endswith("(r)")


def test_the_table_holds_the_contracts_codes() -> None:
    assert {400, 401, 403, 404, 409, 410, 412, 429, 500, 501, 503, 504} == set(STATUS.values())
    assert len(STATUS) == 34


async def test_a_bug_is_a_500_that_names_the_request_and_nothing_else(
    http: httpx.AsyncClient, engine: FakeEngine
) -> None:
    engine.state.raises["find"] = ZeroDivisionError("secret detail")
    answer = await http.post(FIND, json={"query": "x"}, headers={"X-Request-ID": "r-9"})
    assert answer.status_code == 500
    assert answer.json()["error"] == {
        "code": "INTERNAL",
        "message": "Internal server error",
        "details": {"request_id": "r-9"},
    }
    assert answer.headers["X-Request-ID"] == "r-9"


async def test_a_handler_that_hangs_ends_at_the_deadline(engine: FakeEngine) -> None:
    import asyncio

    async def hang(query: str, **_: object) -> None:
        await asyncio.Event().wait()

    app = create_app(engine, ServerConfig(search_timeout_s=0.02))  # type: ignore[arg-type]
    engine.as_caller = lambda _: type("Hanging", (), {"find": staticmethod(hang)})()  # type: ignore[method-assign,assignment,return-value]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        answer = await client.post(FIND, json={"query": "x"})
    app.app_state.close()
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "DEADLINE_EXCEEDED")
    assert set(answer.json()["error"]["details"]) == {"operation", "timeout"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-OpenViking-Actor-Peer", "a/b"),
        ("X-OpenViking-Actor-Peer", "a@b@c"),
        ("X-OpenViking-User", ".."),
        ("X-OpenViking-User", "a b"),
        ("X-OpenViking-Account", "_system"),
    ],
)
async def test_bad_identities_are_refused(http: httpx.AsyncClient, name: str, value: str) -> None:
    answer = await http.post(FIND, json={"query": "x"}, headers={name: value})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_ARGUMENT")


async def test_blank_identities_are_none(http: httpx.AsyncClient) -> None:
    headers = {"X-OpenViking-Actor-Peer": " ", "X-OpenViking-User": ""}
    answer = await http.get("/api/v1/system/status", headers=headers)
    assert answer.json()["result"] == {"initialized": True, "user": "default"}


async def test_a_page_whose_origin_is_listed_may_read_the_id(engine: FakeEngine) -> None:
    app = create_app(engine, ServerConfig(cors_origins=("http://localhost:5173",)))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        answer = await client.get("/health", headers={"Origin": "http://localhost:5173"})
    app.app_state.close()
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:5173"
    assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]


async def test_before_the_store_is_open_only_health_and_ready_answer(tmp_path: Path) -> None:
    app = create_app(None, ServerConfig(request_timeout_s=1.0))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        assert (await client.get("/health")).status_code == 200
        ready = await client.get("/ready")
        assert (ready.status_code, ready.json()["status"], ready.json()["reason"]) == (503, "not_ready", "initializing")
        for path in ("/api/v1/system/status", "/api/v1/fs/ls?uri=viking://", "/api/v1/tasks/x"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "UNAVAILABLE")
            assert answer.headers["Retry-After"] == "1"
    app.app_state.close()


@pytest.fixture
async def seen(engine: FakeEngine) -> list[RequestRecord]:
    seen: list[RequestRecord] = []
    app = create_app(engine, ServerConfig(), on_request=seen.append)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        await client.get("/api/v1/tasks/nope", headers={"X-Request-ID": "r1"})
    app.app_state.close()
    return seen


async def test_the_hook_gets_every_request_with_its_route(seen: list[RequestRecord]) -> None:
    (one,) = seen
    assert (one.id, one.method, one.route, one.status) == ("r1", "GET", "/api/v1/tasks/{task_id}", 404)
    assert one.seconds > 0
