"""Authentication with keys, against a real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from recalld.app.config import ServerConfig, load_config
from recalld.app.worker_loop import run_job
from recalld.domain.errors import Denied, Invalid
from recalld.rules.keys import compose, derived
from recalld.surfaces.http.app import ENDPOINTS
from recalld.surfaces.http.models.envelope import envelope_of
from recalld.surfaces.http.serve import listen
from recalld.surfaces.mcp.mount import Mcp
from tests.auth_fixture import API, ROOT_KEY, Answer, Place, place_at
from tests.harness import plant
from tests.live import serving

NOTE = "viking://~/memories/events/note.md"


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with place_at(tmp_path / "data", mounted_apps={"/mcp": Mcp}) as place:
        await place.people("acme/ana", "acme/bob", "other/eve")
        yield place


def documented(method: str, pattern: str, answer: Answer) -> Any:
    """The result, held to what the document promises."""
    (endpoint,) = [v for v in ENDPOINTS if (v.method, v.path) == (method, API + pattern)]
    assert answer.status == endpoint.status, answer.text
    TypeAdapter(envelope_of(endpoint.result)).validate_json(answer.raw, strict=True)
    return answer.result


async def write(place: Place, who: str, text: str, uri: str = NOTE) -> Answer:
    return await place.ask(who, "POST", "/content/write", json={"uri": uri, "content": text})


# ------------------------------------------------------------------------------ keys
async def test_missing_and_wrong_keys_have_different_errors_with_a_remedy(place: Place) -> None:
    no, wrong = await place.ask("no", "GET", "/fs/ls"), await place.ask("wrong", "GET", "/fs/ls")
    assert (no.status, no.code) == (wrong.status, wrong.code) == (401, "UNAUTHENTICATED")
    assert no.body["error"]["message"].startswith("Missing API Key")
    assert wrong.body["error"]["message"].startswith("Invalid API Key")
    assert no.headers["www-authenticate"] == wrong.headers["www-authenticate"] == 'Bearer realm="recalld"'


async def test_a_key_is_refused_before_the_body_is_read(place: Place) -> None:
    answer = await place.ask("no", "POST", "/content/write", content=b"[" * 100)
    assert answer.status == 401
    upload = await place.ask("no", "POST", "/resources/temp_upload", files={"file": ("a.md", b"words")})
    assert upload.status == 401
    assert not place.harness.engine.upload_dir.is_dir() or list(place.harness.engine.upload_dir.iterdir()) == []


async def test_a_key_in_either_header_overrides_identity_headers(place: Place) -> None:
    key = place.keys["acme/bob"]
    lies = {"X-OpenViking-Account": "other", "X-OpenViking-User": "eve", "X-OpenViking-Role": "admin"}
    for headers in (
        {"X-API-Key": key},
        {"Authorization": f"Bearer {key}"},
        {"Authorization": f"bearer {key}"},
        {"Authorization": f"BEARER  {key} "},
        {"X-API-Key": key, "Authorization": "Bearer no"},
    ):
        answer = await place.ask("no", "GET", "/system/status", headers={**headers, **lies})
        assert answer.result["user"] == "bob"
    for scheme in ("Bearer:", "Basic", "Token", ""):
        answer = await place.ask("no", "GET", "/system/status", headers={"Authorization": f"{scheme} {key}"})
        assert answer.status == 401


async def test_health_needs_no_key_and_names_the_identity_of_a_valid_one(place: Place) -> None:
    async def identity_of(who: str) -> dict[str, str]:
        body = (await place.ask(who, "GET", "/health")).body
        assert body["auth_mode"] == "api_key"
        return {name: body[name] for name in ("account_id", "user_id", "role") if name in body}

    assert await identity_of("no") == await identity_of("wrong") == {}
    assert await identity_of("acme/ana") == {"account_id": "acme", "user_id": "ana", "role": "admin"}
    assert await identity_of("root") == {"account_id": "default", "user_id": "default", "role": "root"}
    assert (await place.ask("no", "GET", "/ready")).status == 200


async def test_home_is_the_keys_own_and_another_users_is_shut_even_to_an_admin(place: Place) -> None:
    await write(place, "acme/bob", "Bob likes oolong.")
    read = await place.ask("acme/bob", "GET", "/content/read", params={"uri": NOTE})
    assert read.result == "Bob likes oolong."
    theirs = "viking://user/bob/memories/events/note.md"
    for who, status in (("acme/bob", 200), ("acme/ana", 403), ("other/eve", 403), ("root", 403)):
        assert (await place.ask(who, "GET", "/content/read", params={"uri": theirs})).status == status, who
    listed = await place.ask("acme/ana", "GET", "/fs/ls", params={"uri": "viking://user"})
    assert [row["uri"] for row in listed.result] == ["viking://user/ana"]


async def test_shared_resources_stay_within_the_account(place: Place) -> None:
    uri = "viking://resources/plan.md"
    await write(place, "acme/bob", "the lighthouse plan", uri)
    found = await place.ask("acme/ana", "POST", "/search/find", json={"query": "lighthouse", "score_threshold": 0})
    assert [hit["uri"] for hit in found.result["resources"]] == [uri]
    assert (await place.ask("other/eve", "GET", "/content/read", params={"uri": uri})).status == 404


async def test_a_new_key_ends_the_old_one(place: Place) -> None:
    seed = {"seed": "a seed that nobody knows"}
    response = await place.ask("acme/ana", "POST", "/admin/accounts/acme/users/bob/key", json=seed)
    key = documented("POST", "/admin/accounts/{account}/users/{user}/key", response)["user_key"]
    assert key == compose("acme", "bob", derived(seed["seed"], "acme", "bob"))
    assert (await place.ask("acme/bob", "GET", "/system/status")).status == 401
    place.keys["acme/bob"] = key
    assert (await place.ask("acme/bob", "GET", "/system/status")).result["user"] == "bob"


# ------------------------------------------------------------------------------ administration
async def test_root_makes_accounts_and_its_admins_make_users(place: Place) -> None:
    body = {"account_id": "new", "admin_user_id": "zoe", "user_config": {"memory_policy": {"peer": {"enabled": False}}}}
    account = documented("POST", "/admin/accounts", await place.ask("root", "POST", "/admin/accounts", json=body))
    place.keys["new/zoe"] = account["user_key"]
    again = await place.ask("root", "POST", "/admin/accounts", json=body)
    assert (again.status, again.code) == (409, "ALREADY_EXISTS")
    user = {"user_id": "yan"}
    path = "/admin/accounts/new/users"
    account = documented("POST", "/admin/accounts/{account}/users", await place.ask("new/zoe", "POST", path, json=user))
    assert account["user_id"] == "yan"
    listed = documented("GET", "/admin/accounts/{account}/users", await place.ask("new/zoe", "GET", path))
    assert [(u["user_id"], u["role"], u["status"]) for u in listed] == [
        ("yan", "user", "active"),
        ("zoe", "admin", "active"),
    ]
    assert all(account["user_key"] not in str(u) for u in listed)
    some = await place.ask("new/zoe", "GET", path, params={"name": "y*", "role": "user"})
    assert [u["user_id"] for u in some.result] == ["yan"]
    accounts = documented("GET", "/admin/accounts", await place.ask("root", "GET", "/admin/accounts"))
    assert [(a["account_id"], a["user_count"]) for a in accounts] == [("acme", 2), ("new", 2), ("other", 1)]
    documented("GET", "/admin/accounts/{account}", await place.ask("new/zoe", "GET", "/admin/accounts/new"))
    one = await place.ask("root", "GET", f"{path}/yan")
    assert documented("GET", "/admin/accounts/{account}/users/{user}", one)["role"] == "user"


@pytest.mark.parametrize("bad", ["_hidden", "a/b", "a b", "", "..", "a" * 200])
async def test_a_name_that_is_none_is_refused(place: Place, bad: str) -> None:
    account = {"account_id": bad, "admin_user_id": "ana"}
    user = {"user_id": bad.replace("_hidden", "@@"), "role": "user"}
    assert (await place.ask("root", "POST", "/admin/accounts", json=account)).status == 400
    assert (await place.ask("root", "POST", "/admin/accounts/acme/users", json=user)).status == 400


async def test_admins_stay_in_their_account_and_users_out_of_administration(place: Place) -> None:
    for who in ("acme/bob", "other/eve"):
        for method, path in (
            ("GET", "/users"),
            ("DELETE", "/users/bob"),
            ("POST", "/users/bob/key"),
            ("GET", "/settings"),
        ):
            answer = await place.ask(who, method, f"/admin/accounts/acme{path}")
            assert (answer.status, answer.code) == (403, "PERMISSION_DENIED"), (who, path)
    for who in ("acme/ana", "acme/bob"):
        assert (await place.ask(who, "GET", "/admin/accounts")).status == 403
        assert (await place.ask(who, "DELETE", "/admin/accounts/acme")).status == 403


async def test_a_user_becomes_an_admin_and_no_unknown_role_is_given(place: Place) -> None:
    path = "/admin/accounts/acme/users/bob/role"
    for role in ("root", "owner", ""):
        assert (await place.ask("root", "PUT", path, json={"role": role})).status == 400
    assert (await place.ask("acme/bob", "GET", "/admin/accounts/acme/users")).status == 403
    shown = await place.ask("root", "PUT", path, json={"role": "admin"})
    assert documented("PUT", "/admin/accounts/{account}/users/{user}/role", shown)["role"] == "admin"
    assert (await place.ask("acme/bob", "GET", "/admin/accounts/acme/users")).status == 200


async def test_settings_are_kept_and_taken_back(place: Place) -> None:
    path, pattern = "/admin/accounts/acme/settings", "/admin/accounts/{account}/settings"
    usual = documented("GET", pattern, await place.ask("acme/ana", "GET", path))
    assert (usual["settings"], usual["overrides"]) == ({"agent_evolution": {"enabled": False}}, {})
    on = {"agent_evolution": {"enabled": True}}
    assert documented("PATCH", pattern, await place.ask("acme/ana", "PATCH", path, json=on))["settings"] == on
    off = await place.ask("acme/ana", "PATCH", path, json={"agent_evolution": None})
    assert off.result["overrides"] == {}
    path, pattern = "/admin/accounts/acme/users/bob/settings", "/admin/accounts/{account}/users/{user}/settings"
    policy = {"memory_policy": {"self": {"enabled": False}}}
    settings = documented("PATCH", pattern, await place.ask("acme/ana", "PATCH", path, json=policy))
    assert settings["memory_policy"]["self"] == {"enabled": False}
    assert documented("GET", pattern, await place.ask("acme/ana", "GET", path)) == settings
    assert (await place.ask("acme/ana", "PATCH", path, json={"memory_policy": {"odd": 1}})).status == 400
    assert (await place.ask("acme/ana", "PATCH", path, json={"memory_policy": None})).result["memory_policy"] is None


async def test_a_users_memory_policy_holds_for_sessions_without_one(place: Place) -> None:
    path = "/admin/accounts/acme/users/bob/settings"
    await place.ask("acme/ana", "PATCH", path, json={"memory_policy": {"self": {"enabled": False}}})
    message = {"role": "user", "content": "I decided that we move to Lisbon in March."}
    for who in ("acme/ana", "acme/bob"):
        await place.ask(who, "POST", "/sessions/s/messages", json=message)
        await place.ask(who, "POST", "/sessions/s/commit", json={})
    await place.settle()
    memories = {}
    for who in ("acme/ana", "acme/bob"):
        tree = await place.ask(who, "GET", "/fs/tree", params={"uri": "viking://~/memories", "level_limit": 9})
        memories[who] = [row for row in tree.result if not row["isDir"]]
    assert memories["acme/ana"]
    assert not memories["acme/bob"]


async def test_a_user_chooses_where_imports_go(place: Place, tmp_path: Path) -> None:
    path = "/user-settings/add-locations"
    usual = documented("GET", path, await place.ask("acme/bob", "GET", path))
    assert usual == {
        "override": {},
        "effective": {"resource_uri": "viking://resources", "skill_uri": "viking://user/bob/skills"},
    }
    chosen = {"resource_uri": "viking://~/resources/inbox"}
    shown = documented("PATCH", path, await place.ask("acme/bob", "PATCH", path, json=chosen))
    assert shown["effective"]["resource_uri"] == "viking://user/bob/resources/inbox"
    upload = await place.ask("acme/bob", "POST", "/resources/temp_upload", files={"file": ("a.md", b"# A\n\nwords\n")})
    added = await place.ask("acme/bob", "POST", "/resources", json={"temp_file_id": upload.result["temp_file_id"]})
    assert added.result["root_uri"] == "viking://user/bob/resources/inbox/a"
    for bad in ({"resource_uri": "viking://user/bob/memories"}, {"skill_uri": "viking://resources"}, {"odd": 1}):
        assert (await place.ask("acme/bob", "PATCH", path, json=bad)).status == 400
    assert documented("DELETE", path, await place.ask("acme/bob", "DELETE", path)) == usual


async def test_unimplemented_routes_answer_501(place: Place) -> None:
    for method, path in (("GET", "/agent-evolution"), ("PUT", "/agent-evolution"), ("POST", "/migrate")):
        answer = await place.ask("root", method, f"/admin{path}")
        assert (answer.status, answer.code) == (501, "UNIMPLEMENTED")


# ------------------------------------------------------------------------------ leaving
async def test_a_user_leaves_with_all_that_was_kept(place: Place) -> None:
    await write(place, "acme/bob", "Bob hid the zanzibar key.")
    await place.ask(
        "acme/bob", "POST", "/sessions/s/messages", json={"role": "user", "content": "I decided on zanzibar."}
    )
    await place.ask("acme/bob", "POST", "/sessions/s/commit", json={})
    path, pattern = "/admin/accounts/acme/users/bob", "/admin/accounts/{account}/users/{user}"
    gone = documented("DELETE", pattern, await place.ask("acme/ana", "DELETE", path))
    assert gone["status"] == "deleting"
    refused = await place.ask("acme/bob", "GET", "/fs/ls", params={"uri": "viking://~"})
    assert (refused.status, refused.code) == (412, "FAILED_PRECONDITION")
    assert refused.body["error"]["details"]["task_id"] == gone["task_id"]
    assert refused.body["error"]["message"].startswith("User deletion is in progress")
    again = await place.ask("acme/ana", "DELETE", path)
    assert (again.status, again.result["task_id"]) == (202, gone["task_id"])
    await place.settle()
    task = (await place.ask("acme/ana", "GET", f"/tasks/{gone['task_id']}")).result
    assert (task["status"], task["task_type"]) == ("completed", "user_deletion")
    assert (await place.ask("acme/bob", "GET", "/system/status")).status == 401
    assert (await place.ask("acme/ana", "GET", path)).status == 404
    await place.people("acme/bob")
    assert (await place.ask("acme/bob", "GET", "/sessions")).result == []
    found = await place.ask("acme/bob", "POST", "/search/find", json={"query": "zanzibar", "score_threshold": 0})
    assert found.result["total"] == 0
    tree = await place.ask("acme/bob", "GET", "/fs/tree", params={"uri": "viking://~", "level_limit": 9})
    assert [row["uri"] for row in tree.result if not row["isDir"]] == []
    assert (await place.ask("acme/bob", "GET", "/tasks")).result == []


async def test_a_users_work_that_has_begun_ends_before_the_user_is_removed(place: Place) -> None:
    upload = await place.ask("acme/bob", "POST", "/resources/temp_upload", files={"file": ("a.md", b"# A\n\nwords\n")})
    body = {"temp_file_id": upload.result["temp_file_id"], "to": "viking://~/resources/a"}
    await place.ask("acme/bob", "POST", "/resources", json=body)
    (running,) = [j for j in await place.harness.lease(8) if j.kind == "import"]
    gone = await place.ask("acme/ana", "DELETE", "/admin/accounts/acme/users/bob")
    (leaving,) = await place.harness.lease(8)
    await run_job(leaving, place.harness.ports)
    task = await place.ask("acme/ana", "GET", f"/tasks/{gone.result['task_id']}")
    assert task.result["status"] == "pending"
    await run_job(running, place.harness.ports)
    await place.settle()
    task = await place.ask("acme/ana", "GET", f"/tasks/{gone.result['task_id']}")
    assert task.result["status"] == "completed"
    await place.people("acme/bob")
    tree = await place.ask("acme/bob", "GET", "/fs/tree", params={"uri": "viking://~", "level_limit": 9})
    assert [row["uri"] for row in tree.result if not row["isDir"]] == []


async def test_an_account_is_shut_at_once_and_leaves_the_others_alone(place: Place) -> None:
    await write(place, "acme/bob", "zanzibar one", "viking://resources/plan.md")
    await write(place, "acme/bob", "zanzibar two")
    await write(place, "other/eve", "zanzibar three", "viking://resources/plan.md")
    gone = documented("DELETE", "/admin/accounts/{account}", await place.ask("root", "DELETE", "/admin/accounts/acme"))
    assert gone["deleted"] is True
    assert (await place.ask("acme/bob", "GET", "/system/status")).status == 412
    refused = await place.ask("root", "POST", "/admin/accounts/acme/users", json={"user_id": "new"})
    assert (refused.status, refused.code) == (412, "FAILED_PRECONDITION")
    await place.settle()
    assert (await place.ask("root", "GET", f"/tasks/{gone['task_id']}")).result["status"] == "completed"
    assert [a["account_id"] for a in (await place.ask("root", "GET", "/admin/accounts")).result] == ["other"]
    assert (await place.ask("acme/bob", "GET", "/system/status")).status == 401
    read = await place.ask("other/eve", "GET", "/content/read", params={"uri": "viking://resources/plan.md"})
    assert read.result == "zanzibar three"
    await place.people("acme/ana", "acme/bob")
    for who in ("acme/ana", "acme/bob"):
        found = await place.ask(who, "POST", "/search/find", json={"query": "zanzibar", "score_threshold": 0})
        assert found.result["total"] == 0
        assert (await place.ask(who, "GET", "/fs/ls", params={"uri": "viking://resources"})).result == []


def test_a_worker_beside_the_server_removes_a_user(tmp_path: Path) -> None:
    """The same over a real server: keys over the wire, the removal in the worker's process."""
    file = plant(tmp_path, {"root.key": f"{ROOT_KEY}\n"}) / "root.key"
    with serving(tmp_path / "data", RECALLD_SERVER__ROOT_API_KEY_FILE=str(file)) as server:
        root, bob = server.line(), server.line()
        assert root.ask("GET", "/system/status").code == "UNAUTHENTICATED"
        root.headers["X-API-Key"] = ROOT_KEY
        assert root.ask("POST", "/admin/accounts", {"account_id": "acme", "admin_user_id": "ana"}).status == 200
        account = root.ask("POST", "/admin/accounts/acme/users", {"user_id": "bob"}).result
        bob.headers["X-API-Key"] = account["user_key"]
        assert bob.ask("POST", "/content/write", {"uri": NOTE, "content": "words"}).status == 200
        gone = root.ask("DELETE", "/admin/accounts/acme/users/bob")
        assert gone.status == 202
        root.settle()
        assert root.ask("GET", f"/tasks/{gone.body['result']['task_id']}").result["status"] == "completed"
        assert bob.ask("GET", "/system/status").status == 401
        assert ROOT_KEY not in server.output()
        assert account["user_key"] not in server.output()


# ------------------------------------------------------------------------------ the tools' endpoint
async def test_the_tools_door_asks_for_the_same_key(place: Place) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "read", "arguments": {"uris": NOTE}}}
    accept = {"Accept": "application/json, text/event-stream"}
    for who, status in (("no", 401), ("wrong", 401), ("acme/bob", 200), ("root", 403)):
        answer = await place.ask(who, "POST", "/mcp", json=call, headers=accept)
        assert answer.status == status, who
        if status == 401:
            assert answer.body["error"]["code"] == -32001
            assert answer.headers["www-authenticate"].startswith("Bearer")
    await place.ask("acme/ana", "DELETE", "/admin/accounts/acme/users/bob")
    assert (await place.ask("acme/bob", "POST", "/mcp", json=call, headers=accept)).status == 412


# ------------------------------------------------------------------------------ other modes
async def test_in_dev_mode_there_is_no_administration(tmp_path: Path) -> None:
    async with place_at(tmp_path / "data", auth_mode="dev") as place:
        for method, path in (("GET", "/accounts"), ("POST", "/accounts"), ("DELETE", "/accounts/acme/users/bob")):
            body = {"account_id": "a", "admin_user_id": "b"} if method == "POST" else None
            answer = await place.ask("no", method, f"/admin{path}", json=body)
            assert (answer.status, answer.code) == (403, "PERMISSION_DENIED")
            assert answer.body["error"]["message"].startswith("Admin API requires api_key mode")
        chosen = {"resource_uri": "viking://~/resources/inbox"}
        shown = await place.ask("no", "PATCH", "/user-settings/add-locations", json=chosen)
        assert shown.result["effective"]["resource_uri"] == "viking://user/default/resources/inbox"


GATE = {"X-API-Key": ROOT_KEY}
ANA = {"X-OpenViking-Account": "acme", "X-OpenViking-User": "ana"}


async def test_a_gateway_with_the_root_key_names_the_caller(tmp_path: Path) -> None:
    async with place_at(tmp_path / "data", auth_mode="trusted", root_api_key=ROOT_KEY) as place:

        async def status(headers: dict[str, str], **query: str) -> Answer:
            return await place.ask("no", "GET", "/system/status", headers=headers, params=query)

        assert (await status(ANA)).status == 401
        assert (await status({**ANA, "X-API-Key": "no"})).status == 401
        assert (await status({**GATE, **ANA})).result["user"] == "ana"
        assert (await status(GATE, account_id="acme", user_id="ben")).result["user"] == "ben"
        for headers, query in (
            (GATE, {}),
            ({**GATE, "X-OpenViking-Account": "acme"}, {}),
            ({**GATE, **ANA}, {"user_id": "ben"}),
            ({**GATE, **ANA, "X-OpenViking-Role": "root"}, {}),
            ({**GATE, **ANA, "X-OpenViking-User": "no/user"}, {}),
        ):
            answer = await status(headers, **query)
            assert (answer.status, answer.code) == (400, "INVALID_ARGUMENT")
        twice = await place.ask("no", "GET", "/system/status?account_id=acme&user_id=ana&user_id=ben", headers=GATE)
        assert (twice.status, twice.code) == (400, "INVALID_ARGUMENT")
        same = await place.ask("no", "GET", "/system/status?account_id=acme&user_id=ben&user_id=ben", headers=GATE)
        assert same.result["user"] == "ben"
        theirs = {"uri": "viking://user/ben"}
        for role in ("user", "admin"):
            role_headers = {**GATE, **ANA, "X-OpenViking-Role": role}
            assert (await place.ask("no", "GET", "/fs/ls", params=theirs, headers=role_headers)).status == 403
            users = await place.ask("no", "GET", "/admin/accounts", headers=role_headers)
            assert users.status == 200  # below /admin the gateway is root, whoever it speaks for


async def test_a_duplicate_identity_header_is_refused(tmp_path: Path) -> None:
    async with place_at(tmp_path / "data", auth_mode="trusted", root_api_key=ROOT_KEY) as place:
        named = [*{**GATE, **ANA}.items(), ("X-OpenViking-User", "ben")]
        answer = await place.http.get(f"{API}/system/status", headers=named)
        assert answer.status_code == 400


async def test_data_written_in_dev_mode_is_there_with_keys(tmp_path: Path) -> None:
    async with place_at(tmp_path / "data", auth_mode="dev") as before:
        await write(before, "no", "Ana likes oolong.")
    async with place_at(tmp_path / "data") as place:
        await place.people("default/default")
        read = await place.ask("default/default", "GET", "/content/read", params={"uri": NOTE})
        assert read.result == "Ana likes oolong."


async def test_in_trusted_mode_the_registry_gives_roles_and_shows_no_keys(tmp_path: Path) -> None:
    async with place_at(tmp_path / "data", auth_mode="trusted", root_api_key=ROOT_KEY) as place:
        account = {"account_id": "acme", "admin_user_id": "ana"}
        await place.ask("no", "POST", "/admin/accounts", json=account, headers=GATE)
        response = await place.ask("no", "POST", "/admin/accounts/acme/users", json={"user_id": "bob"}, headers=GATE)
        assert documented("POST", "/admin/accounts/{account}/users", response) == {
            "account_id": "acme",
            "user_id": "bob",
        }
        bob = {**GATE, "X-OpenViking-Account": "acme", "X-OpenViking-User": "bob"}
        await place.ask("no", "DELETE", "/admin/accounts/acme/users/bob", headers=GATE)
        assert (await place.ask("no", "GET", "/system/status", headers=bob)).status == 412


async def test_trusted_without_a_root_key_believes_names_but_no_roles(tmp_path: Path) -> None:
    async with place_at(tmp_path / "data", auth_mode="trusted") as place:
        assert (await place.ask("no", "GET", "/system/status", headers=ANA)).result["user"] == "ana"
        asserted = {**ANA, "X-OpenViking-Role": "admin"}
        assert (await place.ask("no", "GET", "/system/status", headers=asserted)).status == 400
        assert (await place.ask("no", "GET", "/admin/accounts", headers=ANA)).status == 403


# ------------------------------------------------------------------------------ settings
@pytest.mark.parametrize(
    ("settings", "mode"),
    [({}, "dev"), ({"root_api_key": "k"}, "api_key"), ({"root_api_key": "k", "auth_mode": "trusted"}, "trusted")],
)
def test_the_mode_follows_from_the_root_key_unless_it_is_named(settings: dict[str, str], mode: str) -> None:
    assert load_config(None, server=settings).server.mode == mode


def test_the_root_key_comes_from_a_file_and_is_never_shown(tmp_path: Path) -> None:
    file = plant(tmp_path, {"root.key": f"{ROOT_KEY}\n"}) / "root.key"
    config = load_config(None, server={"root_api_key_file": str(file)})
    assert (config.server.root_key, config.server.mode) == (ROOT_KEY, "api_key")
    assert ROOT_KEY not in f"{config!r} {config} {config.model_dump_json()}"


@pytest.mark.parametrize(
    "settings",
    [
        {"root_api_key": ""},
        {"root_api_key": "  "},
        {"root_api_key_file": "/no/such/file"},
        {"root_api_key": "k", "root_api_key_file": "/no/such/file"},
        {"auth_mode": "oidc"},
    ],
)
def test_a_lock_without_a_key_keeps_the_server_from_starting(settings: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        load_config(None, server=settings)


@pytest.mark.parametrize("settings", [{}, {"auth_mode": "trusted"}, {"auth_mode": "dev", "root_api_key": "k"}])
def test_without_a_lock_it_listens_on_loopback_only(settings: dict[str, str]) -> None:
    with pytest.raises(Denied):
        listen(ServerConfig(host="0.0.0.0", port=0, **settings))
    listen(ServerConfig(port=0, **settings)).close()


@pytest.mark.parametrize("settings", [{"root_api_key": "k"}, {"auth_mode": "trusted", "root_api_key": "k"}])
def test_with_a_lock_it_listens_anywhere(settings: dict[str, str]) -> None:
    listen(ServerConfig(host="0.0.0.0", port=0, **settings)).close()
