"""/content over HTTP."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from recalld.domain.uri import Uri
from tests.surfaces.http.fake_engine import FakeEngine

AT = "/api/v1/content"
FILE = "viking://resources/docs/a.md"


async def test_reading_answers_a_string(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    await engine.write(FILE, "one\ntwo\nthree\n")
    assert (await http.get(f"{AT}/read", params={"uri": FILE})).json()["result"] == "one\ntwo\nthree\n"
    answer = await http.get(f"{AT}/read", params={"uri": FILE, "offset": 1, "limit": 1, "raw": "true"})
    assert answer.json()["result"] == "two\n"
    assert engine.state.calls[-1][1]["raw"] is True


async def test_reading_what_is_missing_or_a_directory_is_refused(http: httpx.AsyncClient) -> None:
    missing = await http.get(f"{AT}/read", params={"uri": FILE})
    assert missing.json()["error"] == {
        "code": "NOT_FOUND",
        "message": f"File not found: {FILE} (list its parent)",
        "details": {"type": "file", "resource": FILE},
    }
    assert (await http.get(f"{AT}/read", params={"uri": "viking://resources"})).status_code == 400


async def test_tiers_are_strings(http: httpx.AsyncClient) -> None:
    for tier in ("abstract", "overview"):
        assert isinstance((await http.get(f"{AT}/{tier}", params={"uri": "viking://resources"})).json()["result"], str)


async def test_a_write_says_what_it_did(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    result = (await http.post(f"{AT}/write", json={"uri": FILE, "content": "héllo"})).json()["result"]
    assert result == {
        "uri": FILE,
        "root_uri": "viking://resources/docs",
        "context_type": "resource",
        "mode": "replace",
        "written_bytes": 6,
        "content_updated": True,
        "semantic_status": "queued",
        "vector_status": "complete",
        "queue_status": None,
    }
    assert engine.state.files[Uri.parse(FILE)] == "héllo".encode()


async def test_a_write_that_waits_is_complete(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    body = {"uri": FILE, "content": "x", "wait": True, "timeout": 2}
    result = (await http.post(f"{AT}/write", json=body)).json()["result"]
    assert result["semantic_status"] == result["vector_status"] == "complete"
    assert engine.state.calls[-1][1]["timeout_s"] == 2.0


async def test_a_memory_write_skips_semantics(http: httpx.AsyncClient) -> None:
    body = {"uri": "viking://~/memories/events/a.md", "content": "x"}
    result = (await http.post(f"{AT}/write", json=body)).json()["result"]
    assert (result["uri"], result["context_type"]) == ("viking://user/default/memories/events/a.md", "memory")
    assert (result["semantic_status"], result["overview_status"]) == ("skipped", "queued")


async def test_creating_what_exists_is_refused_by_code(http: httpx.AsyncClient) -> None:
    body = {"uri": FILE, "content": "x", "mode": "create"}
    assert (await http.post(f"{AT}/write", json=body)).status_code == 200
    answer = await http.post(f"{AT}/write", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "ALREADY_EXISTS")


@pytest.mark.parametrize(
    "body",
    [
        {"uri": FILE},
        {"content": "x"},
        {"uri": FILE, "content": "x", "mode": "upsert"},
        {"uri": FILE, "content": "x", "colour": "red"},
        {"uri": FILE, "content": 5},
        {"uri": FILE, "content": "x", "timeout": -1},
        {"uri": FILE, "content": "x", "timeout": 1e999},
    ],
)
async def test_write_is_strict(http: httpx.AsyncClient, engine: FakeEngine, body: dict[str, Any]) -> None:
    import json

    answer = await http.post(f"{AT}/write", content=json.dumps(body).encode())
    assert answer.status_code == 400
    assert engine.state.calls == []


async def test_a_batch_takes_text_and_base64(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    body = {
        "root_uri": "viking://resources/b",
        "operations": [
            {"uri": "viking://resources/b/a.md", "content": "text", "mode": "upsert"},
            {"uri": "viking://resources/b/c.bin", "content_base64": base64.b64encode(b"\x00\x01").decode()},
        ],
    }
    result = (await http.post(f"{AT}/batch-write", json=body)).json()["result"]
    assert result["created"] == ["viking://resources/b/a.md", "viking://resources/b/c.bin"]
    assert engine.state.files[Uri.parse("viking://resources/b/c.bin")] == b"\x00\x01"
    assert engine.state.calls[-1][1]["wait"] is True


async def test_a_large_batch_is_decoded_the_same(http: httpx.AsyncClient, engine: FakeEngine) -> None:
    data = bytes(range(256)) * 1024
    body = {
        "root_uri": "viking://resources/b",
        "operations": [{"uri": "viking://resources/b/c.bin", "content_base64": base64.b64encode(data).decode()}],
    }
    assert (await http.post(f"{AT}/batch-write", json=body)).status_code == 200
    assert engine.state.files[Uri.parse("viking://resources/b/c.bin")] == data


@pytest.mark.parametrize(
    "operation",
    [
        {},
        {"content": "a", "content_base64": "YQ=="},
        {"content_base64": "not base64!"},
        {"content": "a", "mode": "delete"},
        {"content": "a", "x": 1},
    ],
)
async def test_a_bad_operation_writes_nothing(
    http: httpx.AsyncClient, engine: FakeEngine, operation: dict[str, Any]
) -> None:
    body = {"root_uri": "viking://resources/b", "operations": [{"uri": "viking://resources/b/a.md", **operation}]}
    assert (await http.post(f"{AT}/batch-write", json=body)).status_code == 400
    assert engine.state.files == {}
