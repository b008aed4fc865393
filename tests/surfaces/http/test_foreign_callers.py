"""Every route and every tool, called by callers who must neither see nor change the data of ``acme/ana``."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from recalld.domain.caller import Caller
from recalld.surfaces.http.app import ENDPOINTS
from recalld.surfaces.http.endpoint import Endpoint
from recalld.surfaces.mcp.mount import Mcp
from recalld.surfaces.mcp.tools import TOOLS as MCP_TOOLS
from tests.auth_fixture import API, Answer, Place, place_at
from tests.surfaces.http.examples import EXAMPLES, FILE, PLACES, PRIVATE, TOOLS

OWNER = "acme/ana"
FOREIGN_CALLERS = ("acme/bob", "acme/boss", "other/ana", "wrong", "no")
"""Another user of her account, its admin, her namesake in another account, and two without a key."""
GOVERNING = ("/api/v1/admin/", "/api/v1/pack/backup")
"""What an admin may do with other users, and does: not walked by the account's own admin."""
MARK = "OWNMARK7f3a"
"""In everything that is Ana's alone."""
SHARED = "SHAREDMARK91c"
"""In what her account shares: Bob may see it, the other account may not."""


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with place_at(tmp_path / "data", mounted_apps={"/mcp": Mcp}) as place:
        await place.people("acme/boss", OWNER, "acme/bob", "other/ana")
        yield place


@pytest.fixture
async def ids(place: Place) -> dict[str, str]:
    return await planted(place)


async def planted(place: Place) -> dict[str, str]:
    """Give Ana something of every kind; returns the ids that examples name."""

    async def done(method: str, path: str, **request: Any) -> Any:
        return (await place.ask(OWNER, method, path, **request)).result

    text = f"# Secret {MARK}\n\nAna hid the zanzibar lighthouse key, {MARK}.\n"
    await done("POST", "/content/write", json={"uri": FILE, "content": text})
    await done("POST", "/content/write", json={"uri": f"{PRIVATE}/resources/{MARK}/plan.md", "content": text})
    shared = f"# Shared {SHARED}\n\nThe zanzibar lighthouse plan, {SHARED}.\n"
    await done("POST", "/content/write", json={"uri": "viking://resources/shared/plan.md", "content": shared})
    await done("POST", "/fs/attrs/set_tags", json={"uri": FILE, "tags": [f"secret={MARK.lower()}"]})
    message = {"role": "user", "content": f"I decided that the zanzibar lighthouse is sold, {MARK}."}
    await done("POST", "/sessions/s-own/messages", json=message)
    output = {"type": "tool", "tool_id": "t1", "tool_name": "cat", "tool_output": f"zanzibar {MARK} " * 3_000}
    await done("POST", "/sessions/s-own/messages", json={"role": "assistant", "parts": [output]})
    await done("POST", "/sessions/s-own/commit", json={})
    await done("POST", "/sessions/s-own/messages", json=message)
    skill = f"---\nname: secret-skill\ndescription: Opens the zanzibar lighthouse {MARK}\n---\n\n{MARK}\n"
    await done("POST", "/skills", json={"data": skill})
    await done("POST", "/privacy-configs/vault/bank", json={"values": {"pin": MARK}})
    await done("PATCH", "/user-settings/add-locations", json={"resource_uri": f"{PRIVATE}/resources/{MARK}"})
    sent = {"file": (f"{MARK}.md", text.encode())}
    upload = (await done("POST", "/resources/temp_upload", files=sent))["temp_file_id"]
    other = (await done("POST", "/resources/temp_upload", files=sent))["temp_file_id"]
    task = (await done("POST", "/resources", json={"temp_file_id": other, "to": f"{PRIVATE}/resources/{MARK}-in"}))[
        "task_id"
    ]
    await place.settle()
    pack = await place.ask(OWNER, "POST", "/pack/export", json={"uri": f"{PRIVATE}/memories"})
    assert pack.status == 200
    sent = {"file": ("memories.ovpack", pack.raw)}
    pack_id = (await done("POST", "/resources/temp_upload", files=sent))["temp_file_id"]
    oid = (await done("POST", "/snapshot/commit", json={"message": "a snapshot"}))["commit_oid"]
    tool_results = (await done("GET", "/sessions/s-own/tool-results"))["tool_results"]
    tool = tool_results[0]["tool_result_id"] if tool_results else "tr_t1_0000000000000000"
    return {"private": PRIVATE, "file": FILE, "task": task, "upload": upload, "pack": pack_id, "oid": oid, "tool": tool}


async def belongings(place: Place) -> Any:
    """All that is Ana's, in a form that can be compared."""
    ana = place.harness.engine.as_caller(Caller("acme", "ana"))
    entries = await ana.tree(PRIVATE, depth=30, limit=100_000, hidden=True)
    ports = place.harness.ports
    sessions = [s.id if hasattr(s, "id") else s for s in await ana.sessions.list()]
    messages = await ports.ledger.tenant(ana.caller).messages("s-own")
    return (
        [(str(e.node.uri), e.node.hash, e.node.tags, e.node.source) for e in entries],
        sessions,
        messages,
        await ports.registry.member("acme", "ana"),
        [(t.id, t.status) for t in await ana.tasks.list(limit=200)],
        sorted(p.name for p in place.harness.engine.upload_dir.iterdir() if MARK.encode() in p.read_bytes()),
    )


def requests_of(endpoint: Endpoint, ids: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The example requests of a route, filled in."""
    examples = EXAMPLES[f"{endpoint.method} {endpoint.path}"]
    for request in examples if isinstance(examples, list) else [examples]:
        path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda part: PLACES[part[1]], endpoint.path)
        yield filled(path, ids), filled(request, ids)


def filled(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, str):
        return re.sub(r"\$(\w+)", lambda word: ids[word[1]], value)
    if isinstance(value, list):
        return [filled(one, ids) for one in value]
    return {name: filled(one, ids) for name, one in value.items()} if isinstance(value, dict) else value


def everything_in(answer: Answer) -> bytes:
    """Body and headers of an answer, and the contents of a pack."""
    whole = answer.raw + repr(answer.headers).encode()
    if answer.raw[:2] != b"PK":
        return whole
    with zipfile.ZipFile(io.BytesIO(answer.raw)) as pack:
        return whole + b"".join(name.encode() + pack.read(name) for name in pack.namelist())


def hidden_from(who: str, place: Place) -> list[bytes]:
    secret = place.keys[OWNER].rsplit(".", 1)[1]
    return [word.encode() for word in (MARK, MARK.lower(), secret, *(() if who.startswith("acme/") else (SHARED,)))]


def test_every_route_and_every_tool_has_an_example() -> None:
    routes = {f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS}
    assert routes - set(EXAMPLES) == set(), "add a line to tests/surfaces/http/examples.py"
    assert set(EXAMPLES) - routes == set(), "these routes are gone"
    assert {tool.name for tool in MCP_TOOLS} - set(TOOLS) == set(), "add a line to TOOLS in examples.py"


async def test_the_owner_finds_the_marked_text(place: Place, ids: dict[str, str]) -> None:
    """Otherwise the walk below would prove nothing."""
    seen = set()
    for endpoint in ENDPOINTS:
        if endpoint.method == "GET" or endpoint.path.startswith(
            (f"{API}/search", f"{API}/skills/find", f"{API}/pack/export")
        ):
            for path, request in requests_of(endpoint, ids):
                if (
                    MARK.lower().encode()
                    in everything_in(await place.ask(OWNER, endpoint.method, path, **request)).lower()
                ):
                    seen.add(endpoint.path.removeprefix(API))
    wanted = (
        "/search/find /search/search /search/grep /search/glob /content/read /content/download /fs/tree /fs/attrs /tasks "
        "/sessions/{session_id}/context /sessions/{session_id}/archives/{archive_id} /skills /skills/{name} "
        "/privacy-configs/{category}/{key} /pack/export /debug/vector/scroll /user-settings/add-locations"
    )
    assert set(wanted.split()) - seen == set()


@pytest.mark.parametrize("who", FOREIGN_CALLERS)
async def test_foreign_callers_see_and_change_nothing(place: Place, ids: dict[str, str], who: str) -> None:
    before = await belongings(place)
    for endpoint in ENDPOINTS:
        if who == "acme/boss" and endpoint.path.startswith(GOVERNING):
            continue
        for path, request in requests_of(endpoint, ids):
            answer = await place.ask(who, endpoint.method, path, **request)
            request_line = f"{who}: {endpoint.method} {path} {request}"
            assert answer.status != 500, f"{request_line}: {answer.text[:500]}"
            if who in {"no", "wrong"} and not (endpoint.open and "content/download" not in path):
                assert answer.status == 401, f"{request_line}: {answer.status}"
                assert answer.headers["www-authenticate"].startswith("Bearer")
            for secret in hidden_from(who, place):
                assert secret not in everything_in(answer), f"{request_line}: {answer.text[:500]}"
        if endpoint.method != "GET":
            assert await belongings(place) == before, f"{who}: {endpoint.method} {endpoint.path}"
    await place.settle()
    assert await belongings(place) == before


@pytest.mark.parametrize("who", FOREIGN_CALLERS)
async def test_foreign_callers_get_nothing_from_tools(place: Place, ids: dict[str, str], who: str) -> None:
    before = await belongings(place)
    for name, calls in TOOLS.items():
        for arguments in calls:
            params = {"name": name, "arguments": filled(arguments, ids)}
            answer = await tool_call(place, who, params)
            assert answer.status == (401 if who in {"no", "wrong"} else 200), f"{who}: {params}: {answer.text[:300]}"
            for secret in hidden_from(who, place):
                assert secret not in everything_in(answer), f"{who}: {params}: {answer.text[:500]}"
            assert await belongings(place) == before, f"{who}: {params}"
    await place.settle()
    assert await belongings(place) == before


async def tool_call(place: Place, who: str, params: dict[str, Any]) -> Answer:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    return await place.ask(who, "POST", "/mcp", headers=headers, content=json.dumps(body))


async def test_a_tool_answers_the_owner(place: Place, ids: dict[str, str]) -> None:
    answer = await tool_call(place, OWNER, {"name": "read", "arguments": {"uris": FILE}})
    assert MARK in answer.text
