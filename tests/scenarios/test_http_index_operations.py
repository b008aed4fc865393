"""Session settings, tool outputs, tags, reindexing, consistency and tasks over HTTP, against a real engine."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from recalld.app.config import ServerConfig
from recalld.app.engine import Engine
from recalld.surfaces.http.app import ENDPOINTS, create_app
from recalld.surfaces.http.models.envelope import envelope_of

API = "/api/v1"
FACT = "I moved to Lisbon in March 2024 and I work at Acme as a nurse."
A, DIR = "viking://resources/d/a.md", "viking://resources/d"
OUTPUT = "a line of output\n" * 3_000 + "the needle is jasmine\n"


class Api:
    """Calls whose good answers are checked against the document."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def __call__(self, method: str, path: str, **request: Any) -> Any:
        answer = await self._http.request(method, API + path, **request)
        assert answer.status_code == 200, answer.text
        (endpoint,) = [
            v for v in ENDPOINTS if v.method == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", v.path), API + path)
        ]
        TypeAdapter(envelope_of(endpoint.result)).validate_json(answer.content, strict=True)
        return answer.json()["result"]

    async def refused(self, method: str, path: str, **request: Any) -> tuple[int, str]:
        answer = await self._http.request(method, API + path, **request)
        return answer.status_code, answer.json()["error"]["code"]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with Engine.open(tmp_path, embedder={"provider": "none"}) as engine:
        app = create_app(engine, ServerConfig())
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://localhost", timeout=60
        ) as http:
            yield Api(http)
        app.app_state.close()


def tool_message(output: str = OUTPUT) -> dict[str, Any]:
    return {
        "role": "assistant",
        "id": "m1",
        "parts": [{"type": "tool", "tool_id": "c1", "tool_name": "bash", "tool_input": {}, "tool_output": output}],
    }


async def test_settings_are_changed_and_taken_away(api: Api) -> None:
    await api("POST", "/sessions", json={"session_id": "s", "auto_commit_policy": {"message_count_threshold": 5}})
    changed = await api(
        "PATCH",
        "/sessions/s/config",
        json={
            "auto_commit_policy": {"message_count_threshold": 5_000},
            "memory_extraction_config": {"events": {"tags": ["a=1"]}},
        },
    )
    assert changed["auto_commit_policy"]["message_count_threshold"] == 1_000
    assert changed["memory_extraction_config"] == {"events": {"tags": ["a=1"]}}
    changed = await api("PATCH", "/sessions/s/config", json={"auto_commit_policy": None})
    assert changed["auto_commit_policy"] is None
    assert changed["memory_extraction_config"] == {"events": {"tags": ["a=1"]}}
    assert (await api("GET", "/sessions/s"))["auto_commit_policy"] is None


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/sessions/s/config", {"memory_policy": {}}),
        ("PATCH", "/sessions/s/config", {"auto_commit_policy": {"message_count_threshold": None}}),
        ("PATCH", "/sessions/s/config", {"auto_commit_policy": {"message_count_threshold": "5"}}),
        ("PATCH", "/sessions/s/config", {"auto_commit_policy": {"unknown": 5}}),
        ("POST", "/sessions", {"session_id": "t", "memory_policy": {"memory_types": ["dreams"]}}),
        ("POST", "/sessions", {"session_id": "t", "memory_policy": {"other": {"enabled": True}}}),
        ("POST", "/sessions", {"session_id": "t", "auto_commit_policy": {"keep_recent_count": None}}),
        ("POST", "/sessions/s/commit", {"keep_recent_turn_count": 2}),
        ("POST", "/sessions/s/commit", {"keep_recent_count": 10_001}),
        ("POST", "/content/set_tags", {"uri": A, "tags": ["a=1"], "mode": "prepend"}),
        ("POST", "/content/set_tags", {"uri": A, "tags": ["a=1"], "more": 1}),
        ("POST", "/content/reindex", {"uri": DIR, "dry_run": True}),
        ("POST", "/content/reindex", {"uri": DIR, "mode": "everything"}),
        ("POST", "/content/reindex", {"uri": DIR, "more": 1}),
        ("POST", "/system/consistency", {}),
    ],
)
async def test_invalid_requests_are_400(api: Api, method: str, path: str, body: dict[str, Any]) -> None:
    await api("POST", "/sessions", json={"session_id": "s"})
    assert await api.refused(method, path, json=body) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("method", "path", "request_"),
    [
        ("PATCH", "/sessions/never/config", {"json": {"auto_commit_policy": None}}),
        ("POST", "/sessions/never/extract", {}),
        ("GET", "/sessions/never/tool-results", {}),
        ("GET", "/sessions/never/tool-results/tr_x_0", {}),
        ("GET", "/fs/attrs", {"params": {"uri": "viking://resources/never"}}),
        ("POST", "/fs/attrs/set_tags", {"json": {"uri": "viking://resources/never", "tags": []}}),
        ("POST", "/content/reindex", {"json": {"uri": "viking://resources/never"}}),
        ("POST", "/system/consistency", {"json": {"uri": "viking://resources/never"}}),
        ("POST", "/tasks/never/cancel", {}),
    ],
)
async def test_missing_nodes_are_404(api: Api, method: str, path: str, request_: dict[str, Any]) -> None:
    assert await api.refused(method, path, **request_) == (404, "NOT_FOUND")


async def test_memories_are_made_at_once(api: Api) -> None:
    await api("POST", "/sessions/s/messages", json={"role": "user", "content": FACT})
    (memory,) = await api("POST", "/sessions/s/extract")
    assert memory["memory_type"] == "events"
    attrs = await api("GET", "/fs/attrs", params={"uri": memory["uri"]})
    assert (attrs["context_type"], attrs["attrs"]["memory"]["memory_type"]) == ("memory", "event")
    assert (await api("GET", "/sessions/s"))["message_count"] == 1


async def test_a_commits_tags_are_on_its_memories(api: Api) -> None:
    await api("POST", "/sessions/s/messages", json={"role": "user", "content": FACT})
    did = await api("POST", "/sessions/s/commit", json={"extraction_metadata": {"event": {"tags": ["team=core"]}}})
    await api("POST", "/system/wait", json={"timeout": 60})
    task = await api("GET", f"/tasks/{did['task_id']}")
    attrs = await api("GET", "/fs/attrs", params={"uri": task["result"]["memory_uris"][0]})
    assert attrs["attrs"]["tags"] == ["team=core"]


async def test_a_long_output_is_listed_read_and_searched(api: Api) -> None:
    await api("POST", "/sessions/s/messages", json=tool_message())
    (facts,) = (await api("GET", "/sessions/s/tool-results"))["tool_results"]
    at = f"/sessions/s/tool-results/{facts['tool_result_id']}"
    first = await api("GET", at, params={"include_metadata": "false"})
    assert (first["content"], first["has_more"], "metadata" in first) == (OUTPUT[:20_000], True, False)
    rest = await api("GET", at, params={"offset": 20_000, "limit": -1})
    assert (first["content"] + rest["content"], rest["has_more"]) == (OUTPUT, False)
    assert rest["metadata"]["tool_name"] == "bash"
    (match,) = (await api("GET", f"{at}/search", params={"q": "Jasmine"}))["matches"]
    assert OUTPUT[match["offset"] :].startswith("jasmine")
    assert await api.refused("GET", f"{at}/search") == (400, "INVALID_ARGUMENT")
    assert await api.refused("GET", "/sessions/s/tool-results", params={"limit": 0}) == (400, "INVALID_ARGUMENT")


async def test_tags_are_set_read_and_found_by(api: Api) -> None:
    await api("POST", "/content/write", json={"uri": A, "content": "the heron stood still"})
    did = await api("POST", "/content/set_tags", json={"uri": DIR, "tags": ["Bird=Heron", "x"], "recursive": True})
    assert (did["success_count"], did["tags"], did["tags_updated"]) == (2, ["bird=heron"], True)
    did = await api("POST", "/fs/attrs/set_tags", json={"uri": A, "tags": ["n=1"], "mode": "append"})
    assert did["updated_uris"] == [A]
    assert (await api("GET", "/fs/attrs", params={"uri": A}))["attrs"] == {"tags": ["bird=heron", "n=1"]}
    found = await api("POST", "/search/find", json={"query": "heron", "tags": ["n=1"]})
    assert [h["uri"] for h in found["resources"]] == [A]


async def test_a_reindex_that_waits_answers_its_result_and_one_that_does_not_its_task(api: Api) -> None:
    await api("POST", "/content/write", json={"uri": A, "content": "the heron stood still", "wait": True})
    did = await api("POST", "/content/reindex", json={"uri": DIR, "mode": "semantic_and_vectors"})
    assert (did["status"], did["object_type"], did["failed_records"], did["warnings"]) == (
        "completed",
        "directory",
        0,
        [],
    )
    assert did["rebuilt_records"] == did["scanned_records"] == 2
    begun = await api("POST", "/content/reindex", json={"uri": A, "wait": False})
    assert begun["status"] == "accepted"
    await api("POST", "/system/wait", json={"timeout": 60})
    task = await api("GET", f"/tasks/{begun['task_id']}")
    assert (task["task_type"], task["status"], task["resource_id"]) == ("admin_reindex", "completed", A)
    assert [
        t["task_id"] for t in await api("GET", "/tasks", params={"task_type": "admin_reindex", "resource_id": A})
    ] == [begun["task_id"]]
    assert await api.refused("POST", f"/tasks/{begun['task_id']}/cancel") == (412, "FAILED_PRECONDITION")
    assert (await api("POST", "/system/consistency", json={"uri": "viking://resources"}))["ok"] is True
    pruned = await api("POST", "/content/reindex", json={"uri": DIR, "mode": "prune_orphans", "dry_run": True})
    assert pruned["deleted_records"] == 0


@pytest.mark.parametrize("limit", [0, 201])
async def test_tasks_are_listed_within_bounds(api: Api, limit: int) -> None:
    assert await api.refused("GET", "/tasks", params={"limit": limit}) == (400, "INVALID_ARGUMENT")


async def test_a_batch_beyond_its_bounds_is_413_and_writes_nothing(api: Api) -> None:
    many = [{"uri": f"{DIR}/{i}.md", "content": "x", "mode": "upsert"} for i in range(257)]
    large = [{"uri": A, "content": "x" * (8 * 1024 * 1024 + 1), "mode": "upsert"}]
    whole = [{"uri": f"{DIR}/{i}.md", "content": "x" * 6_000_000, "mode": "upsert"} for i in range(3)]
    for operations in (many, large, whole):
        body = {"root_uri": DIR, "operations": operations}
        assert await api.refused("POST", "/content/batch-write", json=body) == (413, "RESOURCE_EXHAUSTED")
    twice = [{"uri": A, "content": c, "mode": "upsert"} for c in "xy"]
    outside = [{"uri": "viking://resources/other.md", "content": "x", "mode": "upsert"}]
    for operations in (twice, outside, []):
        body = {"root_uri": DIR, "operations": operations}
        assert await api.refused("POST", "/content/batch-write", json=body) == (400, "INVALID_ARGUMENT")
    assert await api.refused("GET", "/fs/stat", params={"uri": DIR}) == (404, "NOT_FOUND")


async def test_a_write_that_waits_tells_what_was_done(api: Api) -> None:
    did = await api("POST", "/content/write", json={"uri": A, "content": "the heron", "wait": True})
    assert did["queue_status"]["Semantic"]["processed"] >= 1
    again = await api("DELETE", "/fs", params={"uri": A, "wait": "true"})
    assert again["queue_status"]["Semantic"]["error_count"] == 0
