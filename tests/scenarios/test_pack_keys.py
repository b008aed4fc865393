"""Packs and downloads with keys: permissions, and no access across users or accounts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recalld.surfaces.mcp.mount import Mcp
from tests.auth_fixture import Place, place_at

TEA = "viking://user/ana/memories/preferences/ana/tea.md"


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with place_at(tmp_path / "data", mounted_apps={"/mcp": Mcp}) as place:
        await place.people("acme/boss", "acme/ana", "acme/bob", "other/eve")
        body = {"uri": TEA, "content": "Ana likes oolong."}
        assert (await place.ask("acme/ana", "POST", "/content/write", json=body)).status == 200
        yield place


async def uploaded(place: Place, who: str, data: bytes) -> str:
    sent = await place.ask(who, "POST", "/resources/temp_upload", files={"file": ("a.ovpack", data)})
    return str(sent.result["temp_file_id"])


@pytest.mark.parametrize("path", ["export", "import", "backup", "restore"])
@pytest.mark.parametrize(("who", "status"), [("no", 401), ("wrong", 401), ("root", 403)])
async def test_packs_ask_for_a_users_key(place: Place, path: str, who: str, status: int) -> None:
    assert (await place.ask(who, "POST", f"/pack/{path}", json={})).status == status


async def test_backups_are_for_administrators(place: Place) -> None:
    refused = await place.ask("acme/ana", "POST", "/pack/backup", json={})
    assert (refused.status, refused.code) == (403, "PERMISSION_DENIED")
    pack = await place.ask("acme/boss", "POST", "/pack/backup", json={})
    assert pack.status == 200
    mine = await uploaded(place, "acme/ana", pack.raw)
    assert (await place.ask("acme/ana", "POST", "/pack/restore", json={"temp_file_id": mine})).status == 403
    theirs = await uploaded(place, "acme/boss", pack.raw)
    body = {"temp_file_id": theirs, "on_conflict": "overwrite"}
    assert (await place.ask("acme/boss", "POST", "/pack/restore", json=body)).result["uri"] == "viking://"


async def test_a_backup_holds_nothing_of_another_account(place: Place) -> None:
    pack = await place.ask("other/eve", "POST", "/pack/backup", json={})
    assert b"preferences/ana" not in pack.raw


async def test_a_user_exports_and_imports_in_their_own_tree_alone(place: Place) -> None:
    memories = "viking://user/ana/memories"
    assert (await place.ask("acme/bob", "POST", "/pack/export", json={"uri": memories})).status == 403
    pack = await place.ask("acme/ana", "POST", "/pack/export", json={"uri": memories})
    sent = await uploaded(place, "acme/bob", pack.raw)
    body = {"temp_file_id": sent, "parent": "viking://user/ana", "on_conflict": "overwrite"}
    assert (await place.ask("acme/bob", "POST", "/pack/import", json=body)).status == 403
    other = await uploaded(place, "acme/ana", pack.raw)
    body["temp_file_id"] = other
    assert (await place.ask("acme/bob", "POST", "/pack/import", json=body)).status == 403
    body |= {"temp_file_id": sent, "parent": "viking://user/bob"}
    assert (await place.ask("acme/bob", "POST", "/pack/import", json=body)).result["files"] == 1


async def test_a_download_asks_for_a_key_unless_it_has_a_ticket(place: Place) -> None:
    for who, status in (("no", 401), ("wrong", 401), ("acme/bob", 403), ("other/eve", 403), ("acme/ana", 200)):
        assert (await place.ask(who, "GET", "/content/download", params={"uri": TEA})).status == status
    call = {"name": "download", "arguments": {"uri": TEA}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    accept = {"Accept": "application/json, text/event-stream"}
    stolen = (await place.ask("acme/bob", "POST", "/mcp", json=body, headers=accept)).body["result"]
    assert stolen["isError"]
    result = (await place.ask("acme/ana", "POST", "/mcp", json=body, headers=accept)).body["result"]
    token = result["content"][0]["text"].rpartition("token=")[2]
    got = await place.ask("no", "GET", "/content/download", params={"token": token})
    assert (got.status, got.raw) == (200, b"Ana likes oolong.")
    assert (await place.ask("no", "GET", "/content/download", params={"token": token})).status == 401
    assert (await place.ask("acme/ana", "GET", "/content/download", params={"token": "x", "uri": TEA})).status == 401
