"""A list truncated by a limit says so and can be continued: every route with a limit, over a real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from recalld.app import admin
from recalld.app.config import ServerConfig
from recalld.app.engine import Engine
from recalld.surfaces.http.app import create_app
from recalld.surfaces.mcp import arguments, change
from recalld.surfaces.mcp.tool_context import ToolContext

API = "/api/v1"
FILES = "viking://resources/d"
KEY = "k" * 40
OUTPUT = "a line of output\n" * 3_000 + "a needle\n" * 3

Case = tuple[dict[str, Any], str, str]
CUT: dict[str, Case] = {
    "GET /fs/ls": ({"uri": FILES}, "", "node_limit"),
    "GET /fs/tree": ({"uri": FILES}, "", "node_limit"),
    "POST /search/grep": ({"uri": FILES, "pattern": "amber"}, "matches", "node_limit"),
    "POST /search/glob": ({"uri": FILES, "pattern": "**"}, "matches", "node_limit"),
    "GET /sessions": ({}, "", "limit"),
    "GET /tasks": ({}, "", "limit"),
    "GET /skills": ({}, "skills", "node_limit"),
    "GET /snapshot/log": ({}, "", "limit"),
    "GET /snapshot/versions": ({"path": f"{FILES}/1.md"}, "versions", "limit"),
    "GET /sessions/{session_id}/tool-results": ({}, "tool_results", "limit"),
    "GET /sessions/{session_id}/tool-results/{tool_result_id}/search": ({"q": "needle"}, "matches", "limit"),
    "GET /admin/accounts/{account}/users": ({}, "", "limit"),
}
"""Parameters of a request with two or more results, the field of the list in the result, and the name of its limit."""
ELSEWISE = {
    "GET /log": "next says where to go on",
    "GET /fs/history": "next says where to go on",
    "GET /debug/vector/scroll": "next_cursor says where to go on",
    "GET /content/read": "lines of a text: its stat says how long it is",
    "GET /sessions/{session_id}/tool-results/{tool_result_id}": "has_more says so",
    "POST /search/find": "the best of all that could be found",
    "POST /search/why-not": "one entry: its limit is that of the search",
    "POST /search/search": "the best of all that could be found",
    "POST /skills/find": "the best of all that could be found",
}


async def filled(engine: Engine) -> Engine:
    """Three and more of everything, and nothing under way any more."""
    for n in range(3):
        await engine.write(f"{FILES}/{n}.md", f"amber {n}")
    for n in range(3):
        await engine.write(f"{FILES}/1.md", f"amber once more {n}")
        await engine.snapshots.commit(f"{n}")
        part = {
            "type": "tool",
            "tool_id": f"c{n}",
            "tool_name": "bash",
            "tool_input": {},
            "tool_output": OUTPUT + str(n),
        }
        await engine.sessions.append("s0", [{"role": "assistant", "id": f"m{n}", "parts": [part]}])
        await engine.sessions.append(f"s{n}", [{"role": "user", "content": "I live in Lisbon."}])
        await engine.sessions.commit(f"s{n}")
        skill = f"---\nname: skill-{n}\ndescription: Does {n}\n---\nBody\n"
        await engine.skills.add(skill)
    await engine.wait()
    return engine


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with Engine.open(tmp_path, embedder={"provider": "none"}) as engine:
        await filled(engine)
        app = create_app(engine, ServerConfig())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
            yield client
        app.app_state.close()


@pytest.fixture
async def rooted(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """With keys: users and what the root key removes."""
    async with Engine.open(tmp_path, embedder={"provider": "none"}) as engine:
        app = create_app(engine, ServerConfig(root_api_key=KEY))
        headers = {"X-API-Key": KEY}
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
            await client.post(f"{API}/admin/accounts", json={"account_id": "acme", "admin_user_id": "ana"})
            for user in ("ben", "cleo", "dora"):
                await client.post(f"{API}/admin/accounts/acme/users", json={"user_id": user, "role": "user"})
            yield client
        app.app_state.close()


async def listed(http: httpx.AsyncClient, route: str, **more: Any) -> tuple[list[Any], str | None]:
    """The list of an answer (tasks and sessions by their ids, since work continues meanwhile) and its header."""
    params, where, _ = CUT[route]
    method, path = route.split(" ")
    if "{tool_result_id}" in path:
        first, _ = await listed(http, "GET /sessions/{session_id}/tool-results", limit=1)
        path = path.replace("{tool_result_id}", first[0]["tool_result_id"])
    path = path.replace("{session_id}", "s0").replace("{account}", "acme")
    request = {"params": params | more} if method == "GET" else {"json": params | more}
    answer = await http.request(method, API + path, **request)
    assert answer.status_code == 200, answer.text
    result = answer.json()["result"]
    found = result[where] if where else result
    if method == "GET" and path in {"/sessions", "/tasks"}:
        found = [one.get("task_id") or one["session_id"] for one in found]
    return found, answer.headers.get("X-Recalld-Truncated")


async def check(http: httpx.AsyncClient, route: str) -> None:
    limit = CUT[route][2]
    every, cut = await listed(http, route, **{limit: 200})
    assert len(every) >= 3, every
    assert cut is None
    assert await listed(http, route, **{limit: len(every)}) == (every, None)
    assert await listed(http, route, **{limit: 2}) == (every[:2], "2")


@pytest.mark.parametrize("route", [route for route in CUT if "/admin/" not in route])
async def test_a_list_that_was_cut_says_so(http: httpx.AsyncClient, route: str) -> None:
    await check(http, route)


async def test_a_list_of_users_that_was_cut_says_so_and_can_be_gone_on_with(rooted: httpx.AsyncClient) -> None:
    route = "GET /admin/accounts/{account}/users"
    await check(rooted, route)
    rest, _ = await listed(rooted, route, after="ben")
    assert [one["user_id"] for one in rest] == ["cleo", "dora"]
    assert [one["user_id"] for one in (await listed(rooted, route, after="ana", role="user", limit=1))[0]] == ["ben"]


async def test_users_are_looked_for_among_all_of_an_account(
    rooted: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin, "MEMBERS_PAGE", 1)
    route = "GET /admin/accounts/{account}/users"
    for which, expected in (({"role": "user"}, ["ben", "cleo", "dora"]), ({"name": "d*"}, ["dora"])):
        assert [one["user_id"] for one in (await listed(rooted, route, **which))[0]] == expected


async def test_the_tasks_of_the_root_key_are_cut_as_others_are(rooted: httpx.AsyncClient) -> None:
    for user in ("ben", "cleo", "dora"):
        await rooted.delete(f"{API}/admin/accounts/acme/users/{user}")
    await check(rooted, "GET /tasks")
    every, _ = await listed(rooted, "GET /tasks")
    assert (await listed(rooted, "GET /tasks", offset=1, limit=1)) == (every[1:2], "1")


@pytest.mark.parametrize("route", ["GET /sessions", "GET /tasks"])
async def test_sessions_and_tasks_are_gone_on_with_by_offset(http: httpx.AsyncClient, route: str) -> None:
    every, _ = await listed(http, route)
    assert (await listed(http, route, offset=1, limit=1)) == (every[1:2], "1")
    assert (await listed(http, route, offset=1)) == (every[1:], None)


@pytest.mark.parametrize("route", ["GET /snapshot/log", "GET /snapshot/versions"])
async def test_snapshots_are_gone_on_with_before_the_last_one(http: httpx.AsyncClient, route: str) -> None:
    every, _ = await listed(http, route)
    oid = every[0].get("commit", every[0])["oid"]
    assert (await listed(http, route, before=oid)) == (every[1:], None)
    assert (await listed(http, route, before=oid, limit=1)) == (every[1:2], "1")


@pytest.mark.parametrize("uri", ["", f"{FILES}/1.md"])
async def test_a_history_over_mcp_says_how_to_go_on(tmp_path: Path, uri: str) -> None:
    async with Engine.open(tmp_path, embedder={"provider": "none"}) as engine:
        await filled(engine)
        context = ToolContext(engine, engine)
        whole = (await change.history(context, arguments.History(uri, limit=200))).split("\n")
        lines, before = whole[:1], 0
        while len(lines) <= len(whole):
            page = (await change.history(context, arguments.History(uri, limit=3, before=before))).split("\n")
            more = page[-1].startswith("[there are more: continue with before=")
            lines += page[1:-1] if more else page[1:]
            if not more:
                break
            before = int(page[-1].rpartition("=")[2].rstrip("]"))
        assert lines == whole
        assert len(whole) > 4


def test_every_route_that_has_a_limit_is_looked_at() -> None:
    app = create_app(None, ServerConfig())
    document = app.openapi
    app.app_state.close()
    limited = set()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            names = {p["name"] for p in operation.get("parameters", ())}
            for media in operation.get("requestBody", {}).get("content", {}).values():
                names |= fields(media["schema"], document)
            if names & {"limit", "node_limit"}:
                limited.add(f"{method.upper()} {path.removeprefix(API)}")
    assert limited == CUT.keys() | ELSEWISE.keys()


def fields(schema: dict[str, Any], document: dict[str, Any]) -> set[str]:
    for one in (schema, *schema.get("anyOf", ())):
        if "$ref" in one:
            one = document["components"]["schemas"][one["$ref"].rsplit("/", 1)[1]]
        if "properties" in one:
            return set(one["properties"])
    return set()
