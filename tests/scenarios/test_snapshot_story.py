"""Snapshots over HTTP, against a real engine."""

from __future__ import annotations

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
from tests.tripwire import Tripwire

API = "/api/v1"
A, B = "viking://resources/docs/a.md", "viking://resources/docs/b.md"


class Client:
    """Calls that must succeed answer their result, checked against what the document promises."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def __call__(self, method: str, path: str, **request: Any) -> Any:
        answer = await self.http.request(method, f"{API}/snapshot/{path}", **request)
        assert answer.status_code == 200, answer.text
        for endpoint in ENDPOINTS:
            if endpoint.method == method and endpoint.path == f"{API}/snapshot/{path}":
                TypeAdapter(envelope_of(endpoint.result)).validate_json(answer.content, strict=True)
        return answer.json()["result"]

    async def refused(self, method: str, path: str, **request: Any) -> tuple[int, dict[str, Any]]:
        answer = await self.http.request(method, f"{API}/snapshot/{path}", **request)
        return answer.status_code, answer.json()["error"]

    async def write(self, uri: str, content: str) -> None:
        answer = await self.http.post(f"{API}/content/write", json={"uri": uri, "content": content})
        assert answer.status_code == 200, answer.text

    async def text(self, uri: str) -> str:
        return str((await self.http.get(f"{API}/content/read", params={"uri": uri})).json()["result"])

    async def commit(self, message: str, **more: Any) -> str:
        did = await self("POST", "commit", json={"message": message, **more})
        assert did["result"] == "created"
        return str(did["commit_oid"])


@pytest.fixture
async def client(tmp_path: Path, tripwire: Tripwire) -> AsyncIterator[Client]:
    async with Engine.open(tmp_path, embedder={"provider": "none"}) as engine:
        tripwire.trips.clear()  # the wire is stretched for requests, not for making the folder
        app = create_app(engine, ServerConfig())
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as http:
            yield Client(http)
        app.app_state.close()


async def test_a_mistake_is_seen_compared_and_undone(client: Client) -> None:
    await client.write(A, "# Refunds\n\nThirty days.\n")
    first = await client.commit("first")
    await client.write(A, "# Refunds\n\nNever.\n")
    await client.write(B, "# New\n")
    second = await client.commit("second", author_name="Ana", author_email="ana@example.org")

    log = await client("GET", "log")
    assert [one["oid"] for one in log] == [second, first]
    assert log[0]["parents"] == [first]
    assert log[0]["author"] == log[0]["committer"]
    assert log[0]["author"]["name"] == "Ana"
    assert [one["oid"] for one in await client("GET", "log", params={"paths": [B, "viking://agent"]})] == [second]

    found = await client("GET", "diff", params={"path": A, "to": second[:10]})
    assert (found["change_type"], found["from_commit"], found["to_commit"]) == ("modified", first, second)
    assert "-Thirty days.\n+Never.\n" in found["diff_text"]
    paths = (await client("GET", "diff-paths", params={"from": first, "to": "main"}))["paths"]
    assert [(p["path"], p["change_type"]) for p in paths] == [(A, "modified"), (B, "added")]
    versions = (await client("GET", "versions", params={"path": A}))["versions"]
    assert [(v["commit"]["oid"], v["change_type"]) for v in versions] == [(second, "modified"), (first, "added")]

    tried = await client("POST", "restore", json={"source_commit": first, "dry_run": True})
    assert (tried["result"], tried["head"], tried["source"]) == ("dry_run", second, first)
    assert [w["path"] for w in tried["diff"]["to_write"]] == [A]
    assert tried["diff"]["to_delete"] == [B]
    done = await client("POST", "restore", json={"source_commit": first[:6]})
    assert (done["result"], done["written"], done["deleted"], done["unchanged"]) == ("applied", 1, 1, 0)
    assert (done["written_paths"], done["deleted_paths"], done["parent_commit"]) == ([A], [B], second)
    assert await client.text(A) == "# Refunds\n\nThirty days.\n"
    again = await client("POST", "restore", json={"source_commit": first})
    assert again == {"result": "noop", "head": done["new_commit_oid"], "source": first}


async def test_a_file_comes_as_bytes_with_its_snapshot(client: Client) -> None:
    await client.write(A, "# Été\n")
    oid = await client.commit("one")
    answer = await client.http.get(f"{API}/snapshot/show", params={"target_ref": "HEAD", "path": A})
    assert answer.content.decode() == "# Été\n"
    assert (answer.headers["X-Snapshot-Oid"], answer.headers["X-Snapshot-Size"]) == (oid, str(len(answer.content)))
    assert (await client("GET", "show", params={"target_ref": oid}))["message"] == "one"


async def test_nothing_new_is_no_commit_and_ignored_files_are_counted(client: Client) -> None:
    assert await client("POST", "commit", json={"message": "none"}) == {
        "result": "noop",
        "commit_oid": None,
        "changed": 0,
        "ignored": 0,
    }
    assert await client("GET", "ignore") == ""
    await client("PUT", "ignore", json={"content": "drafts/\n"})
    assert await client("GET", "ignore") == "drafts/\n"
    await client.write("viking://resources/drafts/x.md", "not yet\n")
    await client.write(A, "done\n")
    did = await client("POST", "commit", json={"message": "some", "paths": ["viking://resources"]})
    assert (did["changed"], did["ignored"]) == (1, 1)
    again = await client("POST", "commit", json={"message": "again"})
    assert (again["result"], again["commit_oid"]) == ("noop", did["commit_oid"])
    await client("DELETE", "ignore")
    await client("DELETE", "ignore")
    assert (await client("POST", "commit", json={"message": "all"}))["changed"] == 1


async def test_refusals_have_the_wires_codes(client: Client) -> None:
    status, error = await client.refused("GET", "log", params={"branch": "side"})
    assert (status, error["code"], error["details"]["type"]) == (404, "NOT_FOUND", "git_ref")
    await client.write("viking://resources/x.bin", "plain\n")
    oid = await client.commit("one")
    cases: list[tuple[str, str, dict[str, Any], int]] = [
        ("GET", "log", {"params": {"limit": 501}}, 400),
        ("GET", "log", {"params": {"limit": 0}}, 400),
        ("GET", "log", {"params": {"paths": ["viking://resources"] * 33}}, 400),
        ("GET", "show", {"params": {"target_ref": "abc"}}, 404),
        ("GET", "show", {"params": {"target_ref": oid, "path": "resources/none.md"}}, 404),
        ("GET", "diff", {"params": {"path": A, "to": oid}}, 404),
        ("GET", "diff", {"params": {"path": "resources/../x", "to": oid}}, 403),
        ("POST", "commit", {"json": {"message": ""}}, 400),
        ("POST", "commit", {"json": {"message": "m", "unknown": 1}}, 400),
        ("POST", "restore", {"json": {"source_commit": "ffffff"}}, 404),
        ("PUT", "ignore", {"json": {"content": "!x"}}, 400),
        ("PUT", "ignore", {"json": {"content": "x" * 65_537}}, 400),
    ]
    statuses = [(await client.refused(method, path, **request))[0] for method, path, request, _ in cases]
    assert statuses == [status for *_, status in cases]


async def test_snapshots_are_there_after_a_restart(tmp_path: Path, tripwire: Tripwire) -> None:
    oids = []
    for turn in range(2):
        async with Engine.open(tmp_path, embedder={"provider": "none"}) as engine:
            tripwire.trips.clear()
            app = create_app(engine, ServerConfig())
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as http:
                client = Client(http)
                await client.write(A, f"turn {turn}\n")
                oids.append(await client.commit(f"turn {turn}"))
                shown = await http.get(f"{API}/snapshot/show", params={"target_ref": oids[0], "path": A})
                assert shown.text == "turn 0\n"
                assert len(await client("GET", "log")) == turn + 1
            app.app_state.close()
