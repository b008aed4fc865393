"""The HTTP API against a real engine."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from recalld.app.config import ServerConfig
from recalld.app.engine import Engine
from recalld.surfaces.http.app import ENDPOINTS, create_app
from recalld.surfaces.http.models.envelope import envelope_of
from tests.tripwire import Tripwire

API = "/api/v1"


class Client:
    """Calls that must succeed answer their result, checked against what the document promises."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def __call__(self, method: str, path: str, **request: Any) -> Any:
        answer = await self.http.request(method, API + path, **request)
        assert answer.status_code == 200, answer.text
        for endpoint in ENDPOINTS:
            if endpoint.method == method and endpoint.path == API + path.split("?")[0]:
                TypeAdapter(envelope_of(endpoint.result)).validate_json(answer.content, strict=True)
        return answer.json()["result"]

    async def refused(self, method: str, path: str, **request: Any) -> tuple[int, str]:
        answer = await self.http.request(method, API + path, **request)
        return answer.status_code, answer.json()["error"]["code"]

    async def found(self, query: str, **more: Any) -> list[str]:
        """Addresses in descending score."""
        headers = more.pop("headers", None)
        result = await self("POST", "/search/find", json={"query": query, **more}, headers=headers)
        hits = [h for kind in ("memories", "resources", "skills") for h in result[kind]]
        return [h["uri"] for h in sorted(hits, key=lambda h: -h["score"])]

    async def settled(self) -> None:
        await self("POST", "/system/wait", json={"timeout": 60})


@pytest.fixture
async def client(tmp_path: Path, tripwire: Tripwire) -> AsyncIterator[Client]:
    async with Engine.open(tmp_path, embedder={"provider": "none"}) as engine:
        tripwire.trips.clear()  # the wire is stretched for requests, not for making the folder
        app = create_app(engine, ServerConfig())
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as http:
            yield Client(http)
        app.app_state.close()


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


async def uploaded(client: Client, name: str, data: bytes) -> str:
    sent = await client("POST", "/resources/temp_upload", files={"file": (name, data)})
    return str(sent["temp_file_id"])


async def test_an_acknowledged_write_is_found_at_once(client: Client) -> None:
    uri = "viking://resources/notes/tea.md"
    await client("POST", "/content/write", json={"uri": uri, "content": "# Tea\n\nAna drinks oolong at dawn.\n"})
    assert await client.found("when does Ana drink oolong") == [uri]
    assert "oolong" in await client("GET", "/content/read", params={"uri": uri})
    await client("POST", "/fs/mv", json={"from_uri": uri, "to_uri": "viking://resources/old/tea.md"})
    assert await client.found("oolong") == ["viking://resources/old/tea.md"]
    await client("DELETE", "/fs", params={"uri": "viking://resources/old", "recursive": "true"})
    assert await client.found("oolong") == []
    assert await client.refused("GET", "/content/read", params={"uri": uri}) == (404, "NOT_FOUND")


async def test_a_zip_becomes_a_tree_and_again_changes_nothing(client: Client) -> None:
    data = zipped(
        {"refunds.md": "# Refunds\n\nThe window is thirty days.\n", "src/parse.py": "def parse():\n    pass\n"}
    )

    async def imported() -> Any:
        upload_id = await uploaded(client, "handbook.zip", data)
        body = {"temp_file_id": upload_id, "wait": True, "timeout": 60, "args": {"origin": "/home/ana/handbook"}}
        return await client("POST", "/resources", json=body)

    first, second = await imported(), await imported()
    assert first["root_uri"] == second["root_uri"] == "viking://resources/handbook"
    assert (first["context_count"], second["context_count"]) == (2, 0)
    assert (await client.found("refund window"))[0] == "viking://resources/handbook/refunds.md"
    rows = await client("GET", "/fs/tree", params={"uri": "viking://resources"})
    assert {"handbook/src/parse.py", "handbook/refunds.md"} <= {r["rel_path"] for r in rows}
    assert (await client("GET", f"/tasks/{first['task_id']}"))["status"] == "completed"


async def test_an_upload_is_used_once(client: Client) -> None:
    upload_id = await uploaded(client, "page.md", b"# Page\n\nwords\n")
    await client("POST", "/resources", json={"temp_file_id": upload_id, "wait": True, "timeout": 60})
    assert await client.refused("POST", "/resources", json={"temp_file_id": upload_id}) == (403, "PERMISSION_DENIED")


async def test_a_message_is_findable_then_remembered(client: Client) -> None:
    sent = {"role": "user", "content": "I decided that we move to Lisbon in March."}
    await client("POST", "/sessions/cc-1/messages", json=sent)
    (message,) = await client.found("Lisbon")
    assert message.startswith("viking://user/default/sessions/cc-1/messages/")
    commit = await client("POST", "/sessions/cc-1/commit", json={"keep_recent_count": 0})
    await client.settled()
    task = await client("GET", f"/tasks/{commit['task_id']}")
    assert task["status"] == "completed"
    context = await client("GET", "/sessions/cc-1/context", params={"token_budget": 4000})
    assert "Lisbon" in context["latest_archive_overview"]
    archive = await client("GET", "/sessions/cc-1/archives/archive_001")
    assert [m["parts"][0]["text"] for m in archive["messages"]] == [sent["content"]]
    found = await client(
        "POST", "/search/find", json={"query": "Lisbon", "include_provenance": True, "context_type": "memory"}
    )
    assert any(s["uri"] == message for p in found["provenance"] for s in p["sources"])
    assert (await client("GET", "/sessions/cc-1"))["commit_count"] == 1


async def test_a_hook_gets_a_block_to_put_before_its_model(client: Client) -> None:
    uri = "viking://~/memories/preferences/ana/tea.md"
    await client("POST", "/content/write", json={"uri": uri, "content": "Ana prefers oolong over coffee."})
    hook = {
        "query": "which drink does Ana prefer",
        "mode": "context",
        "purpose": "coding",
        "score_threshold": 0.1,
        "session_id": "cc-never-seen",
        "dedup_turns": 5,
        "rewrite": "auto",
        "max_tokens": 800,
    }
    block = await client("POST", "/search/search", json=hook)
    assert "oolong" in block["rendered"]
    assert block["entries"][0]["uri"] == "viking://user/default/memories/preferences/ana/tea.md"
    assert block["stats"]["used_tokens"] <= 800
    assert await client("GET", "/sessions") == []
    older = await client("POST", "/search/recall", json={"query": hook["query"]})
    assert "oolong" in older["rendered"]


async def test_a_repeated_send_adds_nothing(client: Client) -> None:
    body = {"messages": [{"role": "user", "content": "one"}, {"role": "user", "content": "one"}]}
    first = await client("POST", "/sessions/s/messages/batch", json=body, headers={"Idempotency-Key": "k"})
    again = await client("POST", "/sessions/s/messages/batch", json=body, headers={"Idempotency-Key": "k"})
    other = await client("POST", "/sessions/s/messages/batch", json=body)
    assert (first["message_count"], again["message_count"], other["message_count"]) == (2, 2, 4)
    assert again["added"] == 0


async def test_users_are_apart_unless_addressed(client: Client) -> None:
    ana, bob = {"X-OpenViking-User": "ana"}, {"X-OpenViking-User": "bob"}
    body = {"uri": "viking://~/memories/events/pin.md", "content": "Ana hides the key under the fern."}
    await client("POST", "/content/write", json=body, headers=ana)
    home = "viking://user/ana/memories/events/pin.md"
    assert await client.found("key under the fern", headers=ana) == [home]
    assert await client.found("key under the fern", headers=bob) == []
    assert await client.found("key under the fern", headers=bob, target_uri="viking://user/ana/memories") == [home]
    assert (await client("GET", "/sessions", headers=bob)) == []


async def test_accounts_never_meet(client: Client) -> None:
    other = {"X-OpenViking-Account": "acme"}
    await client("POST", "/content/write", json={"uri": "viking://resources/a.md", "content": "the fern key"})
    assert await client.found("fern", headers=other) == []
    assert await client.refused("GET", "/content/read", params={"uri": "viking://resources/a.md"}, headers=other) == (
        404,
        "NOT_FOUND",
    )


async def test_a_batch_is_all_or_nothing(client: Client) -> None:
    root = "viking://resources/batch"
    good = {"uri": f"{root}/deep/a.md", "content": "alpha fern", "mode": "upsert"}
    written = await client("POST", "/content/batch-write", json={"root_uri": root, "operations": [good], "wait": False})
    assert written["created"] == [f"{root}/deep/a.md"]
    bad = [{**good, "uri": f"{root}/b.md"}, {**good, "uri": "viking://resources/elsewhere.md"}]
    refusal = await client.refused("POST", "/content/batch-write", json={"root_uri": root, "operations": bad})
    assert refusal == (400, "INVALID_ARGUMENT")
    assert await client.refused("GET", "/fs/stat", params={"uri": f"{root}/b.md"}) == (404, "NOT_FOUND")
    many = [{**good, "uri": f"{root}/{n}.md"} for n in range(257)]
    assert (await client.refused("POST", "/content/batch-write", json={"root_uri": root, "operations": many}))[0] == 413


@pytest.mark.parametrize(
    ("method", "path", "request_", "status", "code"),
    [
        ("POST", "/search/grep", {"json": {"uri": "viking://", "pattern": "(a"}}, 400, "INVALID_ARGUMENT"),
        ("POST", "/search/grep", {"json": {"uri": "viking://resources/x", "pattern": "a"}}, 404, "NOT_FOUND"),
        ("POST", "/search/glob", {"json": {"pattern": ""}}, 400, "INVALID_ARGUMENT"),
        ("POST", "/search/find", {"json": {"query": "x", "tags": ["nope"]}}, 400, "INVALID_ARGUMENT"),
        (
            "POST",
            "/search/find",
            {"json": {"query": "x", "since": "2026-02-02", "until": "2026-01-01"}},
            400,
            "INVALID_ARGUMENT",
        ),
        ("POST", "/search/find", {"json": {"query": "x", "target_uri": "viking://temp/x"}}, 400, "INVALID_URI"),
        ("POST", "/content/write", {"json": {"uri": "viking://resources/../x.md", "content": "x"}}, 400, "INVALID_URI"),
        (
            "POST",
            "/content/write",
            {"json": {"uri": "viking://resources/a\x00b.md", "content": "x"}},
            400,
            "INVALID_URI",
        ),
        (
            "POST",
            "/content/write",
            {"json": {"uri": "viking://resources/a\u202eb.md", "content": "x"}},
            400,
            "INVALID_URI",
        ),
        (
            "POST",
            "/content/write",
            {"json": {"uri": "viking://resources/" + "n" * 300, "content": "x"}},
            400,
            "INVALID_URI",
        ),
        ("GET", "/fs/ls", {"params": {"uri": "viking://resources/a\\b"}}, 403, "PERMISSION_DENIED"),
        ("DELETE", "/fs", {"params": {"uri": "viking://resources"}}, 403, "PERMISSION_DENIED"),
        ("POST", "/sessions/s/messages", {"json": {"role": "user"}}, 400, "INVALID_ARGUMENT"),
        ("POST", "/sessions/a b/messages", {"json": {"role": "user", "content": "x"}}, 400, "INVALID_ARGUMENT"),
        ("POST", "/sessions/never/commit", {}, 404, "NOT_FOUND"),
        ("DELETE", "/sessions/never", {}, 404, "NOT_FOUND"),
        ("GET", "/tasks/never", {}, 404, "NOT_FOUND"),
    ],
)
async def test_bad_input_gets_the_contracts_word_and_changes_nothing(
    client: Client, method: str, path: str, request_: dict[str, Any], status: int, code: str
) -> None:
    before = await client("GET", "/fs/tree", params={"uri": "viking://", "show_all_hidden": "true"})
    assert await client.refused(method, path, **request_) == (status, code)
    assert await client("GET", "/fs/tree", params={"uri": "viking://", "show_all_hidden": "true"}) == before


async def test_an_unreadable_zip_is_refused(client: Client) -> None:
    upload_id = await uploaded(client, "broken.zip", b"PK\x03\x04 this is no zip")
    status, _ = await client.refused("POST", "/resources", json={"temp_file_id": upload_id})
    assert status == 400


async def test_a_message_of_a_megabyte_is_kept(client: Client) -> None:
    text = "lorem ipsum " * 87_000 + "the needle is jasmine"
    await client("POST", "/sessions/big/messages", json={"role": "user", "content": text})
    context = await client("GET", "/sessions/big/context", params={"token_budget": 10_000_000})
    assert context["messages"][0]["parts"][0]["text"] == text
    await client.settled()
    assert len(await client.found("jasmine needle")) == 1
