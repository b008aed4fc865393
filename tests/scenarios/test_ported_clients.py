"""Behaviour that programs written for OpenViking rely on, against a real engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from recalld.app.config import ServerConfig
from recalld.app.engine import Engine
from recalld.surfaces.http.app import create_app
from tests.scenarios.test_http_story import Client, client, uploaded, zipped

__all__ = ["client"]

NAMED = {"op": "must", "field": "name", "conds": ["tea.md"]}
NARROW = {"op": "and", "conds": [NAMED, {"op": "must", "field": "level", "conds": [2]}]}


async def written(client: Client, uri: str, text: str) -> None:
    await client("POST", "/content/write", json={"uri": uri, "content": text})


@pytest.mark.parametrize("route", ["find", "search"])
async def test_a_find_tells_which_part_of_a_filter_it_ignored(client: Client, route: str) -> None:
    await written(client, "viking://resources/tea.md", "Ana drinks oolong at dawn")
    body = {"query": "oolong", "filter": NARROW}
    answer = await client.http.post(f"/api/v1/search/{route}", json=body)
    assert answer.headers["X-Recalld-Ignored"] == "name"
    assert answer.json()["result"]["total"] == 1
    response = await client.http.post(f"/api/v1/search/{route}", json={**body, "filter": NARROW["conds"][1]})
    assert "X-Recalld-Ignored" not in response.headers


async def test_a_block_and_a_count_tell_it_too(client: Client) -> None:
    body = {"query": "oolong", "mode": "context", "filter": NAMED}
    assert (await client.http.post("/api/v1/search/search", json=body)).headers["X-Recalld-Ignored"] == "name"
    params = {"filter": '{"op":"must","field":"active_count","conds":[1]}'}
    counted = await client.http.get("/api/v1/debug/vector/count", params=params)
    assert counted.headers["X-Recalld-Ignored"] == "active_count"


STRICT: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/search/find", {"json": {"query": "q", "filter": NAMED}}),
    ("POST", "/search/search", {"json": {"query": "q", "filter": NAMED}}),
    ("POST", "/search/search", {"json": {"query": "q", "mode": "context", "filter": NAMED}}),
    ("GET", "/debug/vector/count", {"params": {"filter": '{"op":"must","field":"name","conds":["x"]}'}}),
]


async def test_a_strict_server_refuses_such_a_filter(tmp_path: Path) -> None:
    kind = {"provider": "none"}
    async with Engine.open(tmp_path, worker="none", embedder=kind, search={"strict_filters": True}) as engine:
        app = create_app(engine, ServerConfig())
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            strict = Client(http)
            for method, path, request in STRICT:
                assert await strict.refused(method, path, **request) == (400, "INVALID_FILTER")
            narrow = {"query": "q", "filter": NARROW["conds"][1]}
            assert (await strict("POST", "/search/find", json=narrow))["total"] == 0
        app.app_state.close()


DOCS = {
    "deploy.md": "# Deploy\n\nThe lorry leaves at noon.\n",
    "guide.md": "# Guide\n\nOuter words.\n",
    "guide/guide.md": "# Guide\n\nInner words.\n",
    "run.py": "print(1)\n",
}
AT = "viking://resources/docs"
ALIAS = f"{AT}/deploy/deploy.md"


async def imported(client: Client, files: dict[str, str], name: str = "docs") -> None:
    sent = await uploaded(client, f"{name}.zip", zipped(files))
    await client("POST", "/resources", json={"temp_file_id": sent, "wait": True, "timeout": 60})


async def test_a_document_is_read_at_the_address_the_original_gives_it(client: Client) -> None:
    await imported(client, DOCS)
    for path in ("/content/read", "/content/abstract", "/fs/stat"):
        assert await client("GET", path, params={"uri": ALIAS})
    assert await client("GET", "/content/read", params={"uri": ALIAS}) == DOCS["deploy.md"]
    assert (
        await client("GET", "/content/read", params={"uri": ALIAS, "offset": 2, "limit": 1})
        == "The lorry leaves at noon.\n"
    )
    engine: Engine = client.http._transport.app.app_state.engine  # type: ignore[attr-defined]
    assert (await engine.read_page(ALIAS, chars_max=1_000)).text == DOCS["deploy.md"]  # as the tool read asks
    assert (await client.http.get("/api/v1/content/download", params={"uri": ALIAS})).text == DOCS["deploy.md"]
    for target in (ALIAS, f"{AT}/deploy"):
        assert await client.found("when does the lorry leave", target_uri=target) == [f"{AT}/deploy.md"]
        assert "lorry" in await client("GET", "/content/overview", params={"uri": f"{AT}/deploy"})
    assert "lorry" in await client("GET", "/content/abstract", params={"uri": f"{AT}/deploy"})


async def test_an_existing_address_takes_precedence_over_an_alias(client: Client) -> None:
    await imported(client, DOCS)
    assert await client("GET", "/content/read", params={"uri": f"{AT}/guide/guide.md"}) == DOCS["guide/guide.md"]
    assert await client.found("words", target_uri=f"{AT}/guide") == [f"{AT}/guide/guide.md"]
    await written(client, ALIAS, "mine")
    assert await client("GET", "/content/read", params={"uri": ALIAS}) == "mine"
    assert await client("GET", "/content/read", params={"uri": f"{AT}/deploy.md"}) == DOCS["deploy.md"]


async def test_such_an_address_is_neither_listed_nor_changed(client: Client) -> None:
    await imported(client, DOCS)
    rows = await client("GET", "/fs/tree", params={"uri": AT})
    assert {row["rel_path"] for row in rows} == {"deploy.md", "guide.md", "guide", "guide/guide.md", "run.py"}
    assert (await client("DELETE", "/fs", params={"uri": ALIAS}))["estimated_deleted_count"] == 0
    append = {"uri": ALIAS, "content": "x", "mode": "append"}
    assert await client.refused("POST", "/content/write", json=append) == (404, "NOT_FOUND")
    move = {"from_uri": ALIAS, "to_uri": f"{AT}/moved.md"}
    assert await client.refused("POST", "/fs/mv", json=move) == (404, "NOT_FOUND")
    tags = {"uri": ALIAS, "tags": ["a=b"]}
    assert await client.refused("POST", "/content/set_tags", json=tags) == (404, "NOT_FOUND")
    assert await client("GET", "/content/read", params={"uri": f"{AT}/deploy.md"}) == DOCS["deploy.md"]


async def test_only_what_was_imported_has_such_an_address(client: Client) -> None:
    await imported(client, DOCS)
    await written(client, f"{AT}/note.md", "a note")
    for uri in (f"{AT}/note/note.md", f"{AT}/run/run.md", f"{AT}/run/run.py", f"{AT}/deploy/other.md"):
        assert await client.refused("GET", "/content/read", params={"uri": uri}) == (404, "NOT_FOUND")
    assert await client.found("note", target_uri=f"{AT}/note") == []


@pytest.mark.parametrize("area", ["memories/langgraph_store", "peers/bo/memories/notes"])
async def test_addresses_without_a_user_are_the_callers_own(client: Client, area: str) -> None:
    short = f"viking://user/{area}/tea.md"
    own = {"X-OpenViking-User": "ana"}
    body = {"uri": short, "content": "Ana drinks oolong"}
    written = await client("POST", "/content/write", json=body, headers=own)
    assert written["uri"] == f"viking://user/ana/{area}/tea.md"
    assert "oolong" in await client("GET", "/content/read", params={"uri": short}, headers=own)
    found = await client.found("oolong", target_uri=f"viking://user/{area}", headers=own)
    assert found == [f"viking://user/ana/{area}/tea.md"]
    other = {"X-OpenViking-User": "eve"}
    assert await client.refused("GET", "/content/read", params={"uri": short}, headers=other) == (404, "NOT_FOUND")


BODY = "# Brew tea\n\nWarm the pot first.\n"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"name": "tea", "content": "Warm the pot first."}, "tea"),
        ({"content": BODY}, "brew-tea"),
        (BODY, "brew-tea"),
        (f"---\nname: tea\n---\n{BODY}", "tea"),
    ],
)
async def test_a_skill_without_a_description_is_taken(client: Client, data: Any, name: str) -> None:
    skill = await client("POST", "/skills", json={"data": data, "wait": True, "timeout": 60})
    assert skill["name"] == name
    (listed,) = (await client("GET", "/skills"))["skills"]
    assert (listed["name"], listed["description"]) == (name, "Warm the pot first.")
    found = await client("POST", "/skills/find", json={"query": "warm the pot"})
    assert [one["name"] for one in found["skills"]] == [name]


async def test_an_uploaded_skill_is_named_by_its_folder(client: Client) -> None:
    for filename, data, name in (
        ("x.zip", zipped({"green-tea/SKILL.md": BODY, "green-tea/a.txt": "x"}), "green-tea"),
        ("black-tea.zip", zipped({"SKILL.md": BODY}), "black-tea"),
        ("SKILL.md", BODY.encode(), "brew-tea"),
        ("white-tea.md", BODY.encode(), "white-tea"),
    ):
        sent = await uploaded(client, filename, data)
        assert (await client("POST", "/skills", json={"temp_file_id": sent}))["name"] == name


async def test_a_missing_description_is_a_warning_and_an_error_in_strict_mode(client: Client) -> None:
    validated = await client("POST", "/skills/validate", json={"data": BODY})
    assert (validated["valid"], validated["name"], [one["code"] for one in validated["warnings"]]) == (
        True,
        "brew-tea",
        ["no_front_matter"],
    )
    assert not (await client("POST", "/skills/validate", json={"data": BODY, "strict": True}))["valid"]


async def test_unknown_and_foreign_uploads_are_refused_alike(client: Client) -> None:
    sent = await uploaded(client, "x.md", b"# X")
    used = await uploaded(client, "y.md", b"# Y")
    await client("POST", "/resources", json={"temp_file_id": used, "wait": True, "timeout": 60})
    messages = []
    for upload_id, user in ((sent, "bob"), (used, "default"), ("upload_" + "0" * 32 + ".md", "default")):
        body = {"temp_file_id": upload_id}
        answer = await client.http.post("/api/v1/resources", json=body, headers={"X-OpenViking-User": user})
        assert answer.status_code == 403
        messages.append(answer.json()["error"]["message"].replace(upload_id, ""))
    assert len(set(messages)) == 1


@pytest.mark.parametrize(
    ("name", "kind"), [("cat.png", "images"), ("CAT.JPG", "images"), ("talk.mp3", "audio"), ("walk.mp4", "video")]
)
async def test_a_lone_picture_sound_or_film_lies_by_its_kind_and_day(client: Client, name: str, kind: str) -> None:
    data = b"\x89PNG\r\n\x1a\n" + bytes(64)
    added = await client("POST", "/resources", json={"temp_file_id": await uploaded(client, name, data)})
    assert re.fullmatch(rf"viking://resources/{kind}/\d{{4}}/\d\d/\d\d/[^/]+", added["root_uri"])
    placed = {"temp_file_id": await uploaded(client, name, data), "to": "viking://resources/mine"}
    assert (await client("POST", "/resources", json=placed))["root_uri"] == "viking://resources/mine"
    packed = await uploaded(client, "trip.zip", zipped({name: data}))
    assert (await client("POST", "/resources", json={"temp_file_id": packed}))["root_uri"] == "viking://resources/trip"


async def test_a_users_choice_of_place_holds_for_pictures_too(client: Client) -> None:
    await client("PATCH", "/user-settings/add-locations", json={"resource_uri": "viking://~/resources"})
    sent = await uploaded(client, "cat.png", bytes(64))
    added = await client("POST", "/resources", json={"temp_file_id": sent})
    assert added["root_uri"] == "viking://user/default/resources/cat"
