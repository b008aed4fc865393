"""Each client's requests with keys: accepted as sent, and each with a refused counterpart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from recalld.surfaces.mcp.mount import Mcp
from tests.auth_fixture import ROOT_KEY, Place, place_at

EVIL = "https://evil.example"
JSON = {"Content-Type": "application/json"}
NODE = {"Accept": "*/*", "Accept-Language": "*", "Sec-Fetch-Mode": "cors", "User-Agent": "node"}
PYTHON = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate", "User-Agent": "python-httpx/0.28.1"}
PEER = {"X-OpenViking-Actor-Peer": "workspace"}
BEARER, HEADER = "Authorization", "X-API-Key"
CLIENTS: dict[str, tuple[dict[str, str], tuple[str, ...], dict[str, str]]] = {
    "claude-code": (NODE, (BEARER,), JSON),
    "codex": (NODE | PEER, (BEARER, HEADER), JSON),
    "opencode": (NODE, (BEARER,), JSON),
    "pi": (NODE, (BEARER,), JSON),
    "openclaw": (NODE | PEER, (HEADER,), JSON),
    "open-webui": (PYTHON | {"X-OpenViking-Actor-Peer": "default"}, (BEARER,), JSON),
    "python sdk, langchain": (PYTHON | PEER, (HEADER,), JSON),
    "typescript sdk": (NODE, (HEADER,), JSON),
    "go sdk": ({"User-Agent": "Go-http-client/1.1", "Accept-Encoding": "gzip"}, (HEADER,), JSON),
    "ov": ({"Accept": "*/*"}, (HEADER,), JSON),
    "PowerShell": ({"User-Agent": "PowerShell/7.4"}, (BEARER,), {"Content-Type": "application/json; charset=utf-8"}),
    "curl -d without a type": ({"User-Agent": "curl/8.5.0", "Accept": "*/*"}, (HEADER,), {}),
}
"""What each sends of itself with every request, how it sends its key, and how it sends JSON."""

WHO = {"X-OpenViking-Account": "acme", "X-OpenViking-User": "ana"}
NOTE = "viking://~/memories/notes/a.md"
Sent = tuple[str, str, dict[str, Any] | None]
REQUESTS: tuple[Sent, ...] = (
    ("GET", "/health", None),
    ("GET", "/api/v1/system/status", None),
    ("POST", "/api/v1/content/write", {"uri": NOTE, "content": "oolong", "mode": "replace"}),
    ("GET", f"/api/v1/content/read?uri={NOTE}", None),
    ("POST", "/api/v1/search/find", {"query": "oolong"}),
    ("POST", "/api/v1/search/search", {"query": "oolong", "mode": "context"}),
    ("POST", "/api/v1/sessions", {}),
    ("POST", "/api/v1/sessions", None),
    ("POST", "/api/v1/sessions/cc-1/messages/batch", {"messages": [{"role": "user", "content": "x"}]}),
    ("GET", "/api/v1/sessions/cc-1/context?token_budget=32000", None),
    ("POST", "/api/v1/sessions/cc-1/commit", None),
    ("POST", "/api/v1/sessions/cc-1/commit", {}),
    ("GET", "/api/v1/fs/ls?uri=viking://resources/&recursive=false&simple=false", None),
    ("DELETE", f"/api/v1/fs?uri={NOTE}&recursive=false", None),
)
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "proxy", "version": "1"}}
MODES: dict[str, dict[str, Any]] = {
    "api_key": {"root_api_key": ROOT_KEY},
    "trusted": {"auth_mode": "trusted", "root_api_key": ROOT_KEY},
    "api_key, all checks": {
        "root_api_key": ROOT_KEY,
        "allowed_hosts": ["localhost"],
        "cors_origins": ["https://app.example"],
        "public_url": "https://mem.example",
    },
}


@pytest.fixture(params=MODES)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(
            place_at(tmp_path / "data", mounted_apps={"/mcp": Mcp}, **MODES[request.param])
        )
        if request.param == "trusted":
            place.keys["acme/ana"] = ROOT_KEY  # the gateway's: it names the user beside it
        else:
            await place.people("acme/ana")
        yield place


def headers(place: Place, name: str, **more: str) -> dict[str, str]:
    """All that a client sends with a request without a body."""
    own, ways, _ = CLIENTS[name]
    key = place.keys["acme/ana"]
    sent = {way: f"Bearer {key}" if way == BEARER else key for way in ways}
    return {**own, **WHO, **sent, **more}


async def send(place: Place, name: str, request: Sent, **more: str) -> httpx.Response:
    method, path, body = request
    typed = CLIENTS[name][2] if body is not None else {}
    outgoing = place.http.build_request(method, path, json=body, headers=headers(place, name, **{**typed, **more}))
    if "Content-Type" not in {**typed, **more}:
        outgoing.headers.pop("Content-Type", None)
    return await place.http.send(outgoing)


async def test_every_request_of_every_client_is_answered(place: Place) -> None:
    for name in CLIENTS:
        for request in REQUESTS:
            answer = await send(place, name, request)
            assert answer.status_code == 200, f"{name}, {request[:2]}: {answer.status_code} {answer.text[:300]}"
            assert answer.json()["status"] == "ok"


async def test_a_body_without_content_is_no_body(place: Place) -> None:
    for name in CLIENTS:
        for kind in ("application/json", "text/plain", "application/octet-stream"):
            sent = headers(place, name, **{"Content-Type": kind, "Content-Length": "0"})
            answer = await place.http.post("/api/v1/sessions", headers=sent)
            assert answer.status_code == 200, f"{name}, {kind}: {answer.text[:300]}"


async def test_every_client_uploads(place: Place) -> None:
    for name in CLIENTS:
        for kind in ("text/markdown", "application/octet-stream", ""):
            file = {"file": ("a.md", b"# a\n", kind) if kind else ("a.md", b"# a\n")}
            answer = await place.http.post("/api/v1/resources/temp_upload", files=file, headers=headers(place, name))
            assert answer.status_code == 200, f"{name}, {kind}: {answer.text[:300]}"


@pytest.mark.parametrize("accept", ["application/json, text/event-stream", "application/json", "*/*", ""])
async def test_every_client_speaks_to_the_tools(place: Place, accept: str) -> None:
    for name in CLIENTS:
        own = headers(place, name) | {"Mcp-Protocol-Version": "2025-06-18"} | JSON
        own = {key: value for key, value in own.items() if key != "Accept"} | ({"Accept": accept} if accept else {})
        for body in (
            {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO},
            {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
            {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "health", "arguments": {}}},
        ):
            answer = await place.http.post("/mcp", json=body, headers=own)
            assert answer.status_code == 200, f"{name}, {body['method']}: {answer.status_code} {answer.text[:300]}"
            assert "result" in answer.json()
        response = await place.http.post(
            "/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=own
        )
        assert response.status_code in {200, 202}
        assert (await place.http.get("/mcp", headers=own)).status_code == 405  # there is no stream to listen to
        assert (await place.http.delete("/mcp", headers=own)).status_code < 500


async def test_a_key_is_read_however_its_scheme_is_written(place: Place) -> None:
    key = place.keys["acme/ana"]
    for scheme in ("Bearer", "bearer", "BEARER"):
        for space in (" ", "  "):
            sent = {**WHO, "Authorization": f"{scheme}{space}{key}"}
            assert (await place.http.get("/api/v1/system/status", headers=sent)).json()["result"]["user"] == "ana"


async def test_without_its_key_no_client_gets_in(place: Place) -> None:
    for name in CLIENTS:
        for request in REQUESTS[1:]:
            for sent in ({}, {HEADER: "wrong"}, {BEARER: "Bearer wrong"}, {BEARER: f"Basic {place.keys['acme/ana']}"}):
                own, _, kind = CLIENTS[name]
                method, path, body = request
                answer = await place.http.request(method, path, json=body, headers={**own, **WHO, **kind, **sent})
                assert (answer.status_code, answer.json()["error"]["code"]) == (401, "UNAUTHENTICATED"), (name, path)


async def test_a_body_that_is_not_json_is_refused_with_a_key_too(place: Place) -> None:
    for name in CLIENTS:
        for request in (one for one in REQUESTS if one[0] == "POST" and one[2] is not None):
            for kind in ("text/plain", "application/x-www-form-urlencoded", "text/plain;application/json"):
                answer = await send(place, name, request, **{"Content-Type": kind})
                assert answer.status_code == 415, f"{name}, {request[1]}, {kind}: {answer.text[:200]}"
    for page in ({"Origin": "https://mem.example"}, {"Sec-Fetch-Site": "same-origin"}):
        answer = await send(place, "curl -d without a type", REQUESTS[4], **page)
        assert answer.status_code == 415, page


PAGES: tuple[tuple[dict[str, str], int], ...] = (
    ({"Origin": EVIL}, 403),
    ({"Origin": "null"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Host": "evil.example"}, 421),
    ({"Origin": "https://app.example"}, 200),
    ({"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}, 200),
    ({"Origin": "https://mem.example", "Sec-Fetch-Site": "same-origin"}, 200),
    ({"Host": "mem.example"}, 200),
    ({"Sec-Fetch-Site": "none"}, 200),
)


async def test_with_a_key_pages_and_hosts_are_checked_where_settings_say_so(
    place: Place, request: pytest.FixtureRequest
) -> None:
    """And only there: a key is what a foreign page does not have."""
    checked = request.node.callspec.params["place"] == "api_key, all checks"
    tools = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    for name in CLIENTS:
        for page, status in PAGES:
            typed = {**JSON, **page}  # a browser never leaves the type out
            sent = (4, 6, 7, 12) if checked else (4,)
            answers = [await send(place, name, REQUESTS[at], **typed) for at in sent]
            answers.append(await place.http.post("/mcp", json=tools, headers=headers(place, name, **typed)))
            assert {one.status_code for one in answers} == {status if checked else 200}, f"{name}, {page}"
