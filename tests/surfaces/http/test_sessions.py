"""/sessions and /tasks over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from recalld.rules.retention import Retention
from tests.surfaces.http.fake_engine import FakeEngine

AT = "/api/v1/sessions"


async def test_a_new_session_says_where_and_whose_it_is(http: httpx.AsyncClient) -> None:
    answer = await http.post(AT, json={"session_id": "s1"}, headers={"X-OpenViking-User": "ana"})
    assert answer.json()["result"] == {
        "session_id": "s1",
        "uri": "viking://user/ana/sessions/s1",
        "user": {"account_id": "default", "user_id": "ana"},
        "auto_commit_policy": None,
        "memory_extraction_config": {"events": {"tags": []}},
    }


async def test_a_session_needs_no_body(http: httpx.AsyncClient) -> None:
    assert (await http.post(AT)).json()["result"]["session_id"]


async def test_a_second_session_of_a_name_is_refused_by_code(http: httpx.AsyncClient) -> None:
    await http.post(AT, json={"session_id": "s1"})
    answer = await http.post(AT, json={"session_id": "s1"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "ALREADY_EXISTS")


async def test_an_auto_commit_policy_gets_defaults_and_ceilings(http: httpx.AsyncClient) -> None:
    policy = {"pending_token_threshold": 9_999_999, "keep_recent_count": 4}
    result = (await http.post(AT, json={"auto_commit_policy": policy})).json()["result"]["auto_commit_policy"]
    assert result == {
        "pending_token_threshold": 1_000_000,
        "message_count_threshold": 100,
        "idle_timeout_seconds": 86_400,
        "keep_recent_count": 4,
        "min_commit_interval_seconds": 0,
    }


@pytest.mark.parametrize(
    "body",
    [
        {"auto_commit_policy": {"keep_recent_count": None}},
        {"auto_commit_policy": {"keep_recent_count": "4"}},
        {"memory_policy": {"self": {"enabled": True}, "dreams": {}}},
        {"memory_policy": {"memory_types": ["dreams"]}},
    ],
)
async def test_bad_policies_are_refused(http: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert (await http.post(AT, json=body)).status_code == 400


async def test_sessions_are_listed(http: httpx.AsyncClient) -> None:
    await http.post(AT, json={"session_id": "s1"})
    assert (await http.get(AT)).json()["result"] == [
        {
            "session_id": "s1",
            "uri": "viking://user/default/sessions/s1",
            "is_dir": True,
            "mod_time": "2023-11-14T22:13:20.125Z",
        }
    ]


async def test_a_missing_session_is_created_only_with_auto_create(http: httpx.AsyncClient) -> None:
    missing = await http.get(f"{AT}/s1")
    assert (missing.status_code, missing.json()["error"]["details"]["type"]) == (404, "session")
    session = (await http.get(f"{AT}/s1", params={"auto_create": "true"})).json()["result"]
    assert {"message_count", "pending_tokens", "commit_count", "user", "uri", "memories_extracted"} <= set(session)


async def test_an_append_makes_the_session(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    answer = await http.post(f"{AT}/s1/messages", json={"role": "user", "content": "hi", "whim": 1})
    assert answer.json()["result"] == {"session_id": "s1", "message_count": 1, "pending_tokens": 1}
    assert engine.state.sessions["s1"] == [{"role": "user", "content": "hi"}]


async def test_a_message_travels_as_it_was_sent(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    message = {
        "role": "assistant",
        "parts": [{"type": "tool", "tool_input": {"a": [1, None]}}],
        "id": "m-1",
        "peer_id": "bob",
        "created_at": "2026-01-01",
        "turn_id": "t",
        "message_kind": "checkpoint",
        "source_message_ids": ["x"],
    }
    await http.post(f"{AT}/s1/messages", json=message, headers={"Idempotency-Key": "k1"})
    assert engine.state.sessions["s1"] == [message]
    assert engine.state.calls[-1][1]["idempotency_key"] == "k1"


async def test_a_batch_says_how_many_were_added(http: httpx.AsyncClient) -> None:
    body = {"messages": [{"role": "user", "content": str(n)} for n in range(100)]}
    result = (await http.post(f"{AT}/s1/messages/batch", json=body)).json()["result"]
    assert (result["added"], result["message_count"]) == (100, 100)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("messages", {}),
        ("messages", {"content": "hi"}),
        ("messages", {"role": "user", "message_kind": "whisper"}),
        ("messages", {"role": "user", "parts": "hi"}),
        ("messages/batch", {}),
        ("messages/batch", {"messages": [{"role": "user", "content": "x"}] * 101}),
        ("commit", {"keep_recent_count": -1}),
        ("commit", {"keep_recent_count": 10_001}),
        ("commit", {"retention_mode": "forever"}),
        ("commit", {"keep_recent_turn_count": 3}),
    ],
)
async def test_refusals(http: httpx.AsyncClient, engine: FakeEngine, path: str, body: dict[str, Any]) -> None:
    answer = await http.post(f"{AT}/s1/{path}", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_ARGUMENT")
    assert engine.state.calls == []


async def test_sessions_do_not_look_at_the_peer_header(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    headers = {"X-OpenViking-Actor-Peer": "not/valid"}
    answer = await http.post(f"{AT}/s1/messages", json={"role": "user", "content": "x"}, headers=headers)
    assert answer.status_code == 200
    assert engine.state.calls[-1][1]["peer"] == ""


async def test_a_commit_is_accepted_with_200_and_a_task(http: httpx.AsyncClient) -> None:
    await http.post(f"{AT}/s1/messages", json={"role": "user", "content": "x"})
    answer = await http.post(f"{AT}/s1/commit", headers={"X-Request-ID": "r-1"})
    assert answer.status_code == 200
    assert answer.json()["result"] == {
        "session_id": "s1",
        "status": "accepted",
        "task_id": "task_1",
        "archive_uri": "viking://user/ana/sessions/s1/history/archive_001",
        "archived": True,
        "trace_id": "r-1",
        "estimated_active_tokens": 3,
        "budget_exceeded": False,
    }


async def test_a_commit_with_nothing_to_do_says_why(http: httpx.AsyncClient) -> None:
    await http.post(AT, json={"session_id": "s1"})
    result = (await http.post(f"{AT}/s1/commit", json={"keep_recent_count": 2})).json()["result"]
    assert (result["status"], result["task_id"], result["archived"], result["reason"]) == (
        "skipped",
        None,
        False,
        "no_messages",
    )


async def test_a_turn_budget_travels(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    await http.post(AT, json={"session_id": "s1"})
    await http.post(f"{AT}/s1/commit", json={"retention_mode": "turn_budget", "keep_recent_turn_count": 2})
    options = engine.state.calls[-1][1]
    assert options["retention"] == Retention("turn_budget", turns=2)


async def test_a_context_speaks_camel_case(http: httpx.AsyncClient) -> None:
    await http.post(AT, json={"session_id": "s1"})
    result = (await http.get(f"{AT}/s1/context", params={"token_budget": 100})).json()["result"]
    assert set(result) == {"latest_archive_overview", "pre_archive_abstracts", "messages", "estimatedTokens", "stats"}
    assert set(result["stats"]) == {
        "totalArchives",
        "includedArchives",
        "droppedArchives",
        "failedArchives",
        "activeTokens",
        "archiveTokens",
    }
    assert (await http.get(f"{AT}/s1/context", params={"token_budget": -1})).status_code == 400


async def test_archive_used_and_delete(http: httpx.AsyncClient) -> None:
    await http.post(AT, json={"session_id": "s1"})
    archive = (await http.get(f"{AT}/s1/archives/archive_001")).json()["result"]
    assert set(archive) == {"archive_id", "abstract", "overview", "messages"}
    used = await http.post(f"{AT}/s1/used", json={"contexts": ["viking://resources/a"], "skill": {"uri": "x"}})
    assert used.json()["result"] == {"session_id": "s1", "contexts_used": 1, "skills_used": 1}
    assert (await http.delete(f"{AT}/s1")).json()["result"] == {"session_id": "s1"}
    assert (await http.delete(f"{AT}/s1")).status_code == 404


async def test_tasks(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    task = (await http.get("/api/v1/tasks/task_1")).json()["result"]
    assert (task["task_type"], task["status"], task["created_at"]) == ("add_resource", "running", 1_700_000_000.125)
    assert task["created_at_iso"] == "2023-11-14T22:13:20.125Z"
    assert (await http.get("/api/v1/tasks/nope")).status_code == 404
    params = {"task_type": "add_resource", "status": "running", "limit": 200}
    assert (await http.get("/api/v1/tasks", params=params)).json()["result"] == [task]
    assert engine.state.calls[-1][1]["type"] == "add_resource"
    assert (await http.get("/api/v1/tasks", params={"limit": 201})).status_code == 400


async def test_cancelling_what_has_ended_is_a_failed_precondition(http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/v1/tasks/task_1/cancel")
    assert (answer.status_code, answer.json()["error"]["code"]) == (412, "FAILED_PRECONDITION")
