"""Access ends with its key; the root key and a gateway's key open no user data; shared settings are for admins."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from recalld.surfaces.mcp.mount import Mcp
from tests.auth_fixture import API, ROOT_KEY, Answer, Place, place_at

NOTE = "viking://~/memories/notes/a.md"
SENT = {"file": ("a.md", b"# From outside\n\nplanted\n")}
USERS = "/admin/accounts/acme/users"


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with place_at(tmp_path / "data", mounted_apps={"/mcp": Mcp}) as place:
        await place.people("acme/ana", "acme/bob", "default/owner")
        await place.ask("acme/bob", "POST", "/content/write", json={"uri": NOTE, "content": "words", "mode": "replace"})
        yield place


async def tool(place: Place, who: str, name: str, headers: dict[str, str] | None = None, **arguments: Any) -> Answer:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    return await place.ask(who, "POST", "/mcp", json=body, headers=headers or {})


async def tickets(place: Place) -> tuple[str, str]:
    """Addresses for one download of Bob's note and for one upload as Bob."""
    texts = [
        (await tool(place, "acme/bob", "download", uri=NOTE)).text,
        (await tool(place, "acme/bob", "add_resource", path="x.md")).text,
    ]
    found = [re.search(r"token=([\w-]+)", text) for text in texts]
    assert all(found), texts
    down, up = (one[1] for one in found if one)
    return f"{API}/content/download?token={down}", f"{API}/resources/temp_upload?token={up}"


async def used(place: Place, addresses: tuple[str, str]) -> tuple[int, int]:
    down, up = addresses
    first = (await place.ask("no", "GET", down)).status
    return first, (await place.ask("no", "POST", up, files=SENT)).status


async def test_tickets_are_good_while_nothing_has_changed(place: Place) -> None:
    assert await used(place, await tickets(place)) == (200, 200)


async def test_another_users_change_and_a_setting_leave_tickets_as_they_are(place: Place) -> None:
    links = await tickets(place)
    await place.ask("acme/ana", "POST", f"{USERS}/ana/key")
    place.keys["acme/ana"] = (await place.ask("root", "POST", f"{USERS}/ana/key")).result["user_key"]
    await place.ask("acme/ana", "PATCH", f"{USERS}/bob/settings", json={"memory_policy": None})
    assert await used(place, links) == (200, 200)


async def test_tickets_end_with_the_key_they_were_made_for(place: Place) -> None:
    links = await tickets(place)
    assert (await place.ask("acme/ana", "POST", f"{USERS}/bob/key")).status == 200
    assert await used(place, links) == (401, 401)


async def test_tickets_end_with_a_key_of_the_same_seed(place: Place) -> None:
    seed = {"seed": "never guessed"}
    place.keys["acme/bob"] = (await place.ask("acme/ana", "POST", f"{USERS}/bob/key", json=seed)).result["user_key"]
    links = await tickets(place)
    assert (await place.ask("acme/ana", "POST", f"{USERS}/bob/key", json=seed)).status == 200
    assert await used(place, links) == (401, 401)


async def test_tickets_end_with_the_role_they_were_made_in(place: Place) -> None:
    links = await tickets(place)
    await place.ask("acme/ana", "PUT", f"{USERS}/bob/role", json={"role": "admin"})
    assert await used(place, links) == (401, 401)


async def test_tickets_end_with_their_member_and_a_namesake_has_nothing_of_them(place: Place) -> None:
    first, second = await tickets(place), await tickets(place)
    assert (await place.ask("acme/ana", "DELETE", f"{USERS}/bob")).status == 202
    assert await used(place, first) == (401, 401)
    await place.settle()
    await place.people("acme/bob")
    await place.ask(
        "acme/bob", "POST", "/content/write", json={"uri": NOTE, "content": "the new one's", "mode": "replace"}
    )
    assert await used(place, second) == (401, 401)


async def test_a_key_that_falls_while_a_file_is_sent_imports_nothing(place: Place) -> None:
    _, up = await tickets(place)
    half, renewed = asyncio.Event(), asyncio.Event()
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\nplanted'

    async def slowly() -> AsyncIterator[bytes]:
        yield head
        half.set()
        await renewed.wait()
        yield b"\r\n--b--\r\n"

    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    sending = asyncio.ensure_future(place.http.post(up, content=slowly(), headers=kind))
    await half.wait()
    await place.ask("acme/ana", "POST", f"{USERS}/bob/key")
    renewed.set()
    assert (await sending).status_code == 401
    listed = await place.ask("acme/ana", "GET", "/fs/ls", params={"uri": "viking://resources"})
    assert listed.result == []


async def test_the_root_key_opens_no_tool_and_says_what_to_do(place: Place) -> None:
    for response in (
        await tool(place, "root", "read", uris=["viking://user/owner/memories"]),
        await place.ask("root", "POST", "/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}),
    ):
        assert response.status == 403
        assert "POST /api/v1/admin/accounts" in response.text
    assert (await tool(place, "default/owner", "list", uri="viking://~")).status == 200


async def test_the_root_key_sees_removals_and_no_users_tasks(place: Place) -> None:
    response = await place.ask("root", "POST", "/admin/accounts/default/users", json={"user_id": "default"})
    place.keys["default/default"] = response.result["user_key"]
    body = {"uri": "viking://~", "wait": False}
    begun = (await place.ask("default/default", "POST", "/content/reindex", json=body)).result["task_id"]
    gone = (await place.ask("root", "DELETE", f"{USERS}/bob")).result["task_id"]
    assert [one["task_id"] for one in (await place.ask("root", "GET", "/tasks")).result] == [gone]
    assert (await place.ask("root", "GET", f"/tasks/{begun}")).status == 404
    assert (await place.ask("root", "GET", f"/tasks/{gone}")).status == 200
    assert (await place.ask("root", "GET", "/tasks", params={"task_type": "admin_reindex"})).result == []
    assert (await place.ask("default/default", "GET", f"/tasks/{begun}")).status == 200


async def test_a_gateways_key_acts_as_the_user_it_names_alone(tmp_path: Path) -> None:
    gate = {"X-API-Key": ROOT_KEY}
    bob = {**gate, "X-OpenViking-Account": "acme", "X-OpenViking-User": "bob"}
    eve = {**bob, "X-OpenViking-User": "eve"}
    async with place_at(
        tmp_path / "data", mounted_apps={"/mcp": Mcp}, auth_mode="trusted", root_api_key=ROOT_KEY
    ) as place:
        body = {"uri": NOTE, "content": "Bob's words", "mode": "replace"}
        assert (await place.ask("no", "POST", "/content/write", json=body, headers=bob)).status == 200
        theirs = "viking://user/bob/memories/notes/a.md"
        for headers, status in ((bob, 200), (eve, 403), (gate, 400)):
            assert (
                await place.ask("no", "GET", "/content/read", params={"uri": theirs}, headers=headers)
            ).status == status
        assert "Bob's words" in (await tool(place, "no", "read", bob, uris=[theirs])).text
        assert "Bob's words" not in (await tool(place, "no", "read", eve, uris=[theirs])).text
        assert (await tool(place, "no", "read", gate, uris=[theirs])).status == 400
        down = re.search(
            r"(/api/v1/content/download\?token=[\w-]+)", (await tool(place, "no", "download", bob, uri=NOTE)).text
        )
        assert down
        assert (await place.ask("no", "GET", down[1])).raw == b"Bob's words"


async def test_a_link_leads_home_whatever_the_host_says(place: Place) -> None:
    response = await tool(place, "acme/bob", "download", {"Host": "evil.example"}, uri=NOTE)
    assert "evil.example" not in response.text
    assert "http://localhost/api/v1/content/download?token=" in response.text


async def test_a_message_that_says_nothing_of_what_it_accepts_is_answered(place: Place) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    for headers in ({"Accept": ""}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        assert (await place.ask("acme/bob", "POST", "/mcp", json=body, headers=headers)).status == 200, headers
    suffixed = {"Content-Type": "application/json-rpc+json; charset=utf-8"}
    assert (await place.ask("acme/bob", "POST", "/mcp", json=body, headers=suffixed)).status == 200
    refused = await place.ask("acme/bob", "POST", "/mcp", json=body, headers={"Accept": "text/html"})
    assert refused.status == 406


async def test_an_admin_becomes_a_plain_user_again_and_the_next_request_knows(place: Place) -> None:
    for role, status in (("admin", 200), ("user", 403), ("admin", 200)):
        response = await place.ask("root", "PUT", f"{USERS}/bob/role", json={"role": role})
        assert response.result["role"] == role
        assert (await place.ask("acme/bob", "GET", USERS)).status == status
    assert (await place.ask("acme/ana", "PUT", f"{USERS}/bob/role", json={"role": "user"})).status == 200


async def test_the_last_admin_stays_unless_root_says_otherwise(place: Place) -> None:
    for method, path, body in (
        ("PUT", f"{USERS}/ana/role", {"role": "user"}),
        ("DELETE", f"{USERS}/ana", None),
    ):
        refused = await place.ask("acme/ana", method, path, json=body)
        assert (refused.status, refused.code) == (412, "FAILED_PRECONDITION")
        assert "last admin" in refused.text
    await place.ask("acme/ana", "PUT", f"{USERS}/bob/role", json={"role": "admin"})
    assert (await place.ask("acme/ana", "PUT", f"{USERS}/ana/role", json={"role": "user"})).status == 200
    assert (await place.ask("root", "PUT", f"{USERS}/bob/role", json={"role": "user"})).status == 200
    await place.ask("root", "PUT", f"{USERS}/bob/role", json={"role": "admin"})
    assert (await place.ask("root", "DELETE", f"{USERS}/bob")).status == 202


async def test_two_admins_cannot_demote_each_other_at_once(place: Place) -> None:
    await place.ask("acme/ana", "PUT", f"{USERS}/bob/role", json={"role": "admin"})
    user = {"role": "user"}
    both = await asyncio.gather(
        place.ask("acme/ana", "PUT", f"{USERS}/bob/role", json=user),
        place.ask("acme/bob", "PUT", f"{USERS}/ana/role", json=user),
    )
    assert 200 in [one.status for one in both]
    admins = await place.ask("root", "GET", USERS, params={"role": "admin"})
    assert len(admins.result) == 1


@pytest.mark.parametrize("name", ["memories", "resources", "sessions", "peers"])
async def test_no_user_is_called_like_an_area(place: Place, name: str) -> None:
    refused = await place.ask("acme/ana", "POST", USERS, json={"user_id": name})
    assert (refused.status, refused.code) == (400, "INVALID_ARGUMENT")
    account = {"account_id": "new", "admin_user_id": name}
    assert (await place.ask("root", "POST", "/admin/accounts", json=account)).status == 400
    near = await place.ask("acme/ana", "POST", USERS, json={"user_id": f"{name}-2"})
    assert near.status == 200


async def test_only_admins_change_ovgitignore(place: Place) -> None:
    for method, body in (("PUT", {"content": "user/\n"}), ("DELETE", None)):
        refused = await place.ask("acme/bob", method, "/snapshot/ignore", json=body)
        assert (refused.status, refused.code) == (403, "PERMISSION_DENIED")
        assert (await place.ask("acme/ana", method, "/snapshot/ignore", json=body)).status == 200
    assert (await place.ask("acme/bob", "GET", "/snapshot/ignore")).status == 200


async def test_a_file_of_a_snapshot_comes_as_an_attachment(place: Place) -> None:
    response = await place.ask("acme/bob", "POST", "/snapshot/commit", json={"message": "m"})
    where = {"target_ref": response.result["commit_oid"], "path": NOTE}
    got = await place.ask("acme/bob", "GET", "/snapshot/show", params=where)
    assert got.raw == b"words"
    assert got.headers["content-disposition"] == "attachment; filename*=UTF-8''a.md"
    fetched = await place.ask("acme/bob", "GET", "/content/download", params={"uri": NOTE})
    assert fetched.headers["content-disposition"].startswith("attachment;")
