"""Packs and downloads over HTTP, against a real engine."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import httpx
import pytest

from recalld.app.config import ServerConfig
from recalld.app.engine import Engine
from recalld.surfaces.http.app import create_app
from recalld.surfaces.mcp.mount import Mcp
from tests.tripwire import Tripwire

API = "/api/v1"
DOCS = "viking://resources/docs"


@pytest.fixture
async def http(tmp_path: Any, tripwire: Tripwire) -> Any:
    async with Engine.open(tmp_path, embedder={"provider": "none"}) as engine:
        tripwire.trips.clear()
        app = create_app(engine, ServerConfig(), mounted_apps={"/mcp": Mcp})
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
            yield client
        app.app_state.close()


async def write(http: httpx.AsyncClient, uri: str, content: str) -> None:
    assert (await http.post(f"{API}/content/write", json={"uri": uri, "content": content})).status_code == 200


async def upload(http: httpx.AsyncClient, data: bytes) -> str:
    sent = await http.post(f"{API}/resources/temp_upload", files={"file": ("docs.ovpack", data)})
    return str(sent.json()["result"]["temp_file_id"])


async def test_an_exported_directory_is_imported_elsewhere(http: httpx.AsyncClient) -> None:
    await write(http, f"{DOCS}/tea.md", "Ana drinks oolong at dawn.")
    sent = await http.post(f"{API}/pack/export", json={"uri": DOCS})
    assert sent.headers["content-type"] == "application/zip"
    assert sent.headers["content-disposition"] == "attachment; filename*=UTF-8''docs.ovpack"
    assert int(sent.headers["content-length"]) == len(sent.content)
    assert "docs/files/tea.md" in zipfile.ZipFile(io.BytesIO(sent.content)).namelist()
    body = {"temp_file_id": await upload(http, sent.content), "parent": "viking://resources"}
    refused = await http.post(f"{API}/pack/import", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "ALREADY_EXISTS")
    done = await http.post(f"{API}/pack/import", json={**body, "parent": "viking://resources/copies"})
    assert done.json()["result"]["uri"] == "viking://resources/copies/docs"
    read = await http.get(f"{API}/content/read", params={"uri": "viking://resources/copies/docs/tea.md"})
    assert read.json()["result"] == "Ana drinks oolong at dawn."
    gone = await http.post(f"{API}/pack/import", json={**body, "parent": "viking://resources/more"})
    assert gone.status_code == 403  # an upload id that is unknown, or not one's own


async def test_a_backup_is_restored(http: httpx.AsyncClient) -> None:
    await write(http, f"{DOCS}/tea.md", "oolong")
    await http.post(f"{API}/sessions/trip/messages", json={"role": "user", "content": "I moved to Lisbon"})
    sent = await http.post(f"{API}/pack/backup", json={})
    assert sent.headers["content-disposition"].endswith("openviking-backup.ovpack")
    await http.request("DELETE", f"{API}/fs", params={"uri": DOCS, "recursive": True})
    await http.request("DELETE", f"{API}/sessions/trip")
    body = {"temp_file_id": await upload(http, sent.content), "on_conflict": "overwrite"}
    done = (await http.post(f"{API}/pack/restore", json=body)).json()["result"]
    assert (done["uri"], done["sessions"], done["messages"]) == ("viking://", 1, 1)
    assert (await http.get(f"{API}/sessions/trip")).json()["result"]["message_count"] == 1


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("export", {}, "uri"),
        ("export", {"uri": DOCS, "more": 1}, "more"),
        ("import", {"temp_file_id": "upload_" + "0" * 32}, "parent"),
        ("import", {"temp_file_id": "x", "parent": DOCS, "on_conflict": "merge"}, "on_conflict"),
        ("restore", {"temp_file_id": "../../etc/passwd"}, "temp_file_id"),
        ("export", {"uri": "viking://"}, "uri"),
    ],
)
async def test_invalid_fields_are_refused_by_name(
    http: httpx.AsyncClient, path: str, body: dict[str, Any], field: str
) -> None:
    answer = await http.post(f"{API}/pack/{path}", json=body)
    assert answer.status_code == 400
    assert field in json.dumps(answer.json()["error"])


@pytest.mark.parametrize("size", [0, 3, 65_536, 65_537, 3_000_000])
@pytest.mark.parametrize(
    ("name", "encoded_name"),
    [("日 本.md", "%E6%97%A5%20%E6%9C%AC.md"), ('a "b"; x=1\'.md', "a%20%22b%22%3B%20x%3D1%27.md")],
)
async def test_a_download_is_the_bytes_whatever_the_name(
    http: httpx.AsyncClient, name: str, encoded_name: str, size: int
) -> None:
    uri = f"viking://resources/{name}"
    await write(http, uri, "z" * size)
    got = await http.get(f"{API}/content/download", params={"uri": uri})
    assert (got.status_code, got.content) == (200, b"z" * size)
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"] == f"attachment; filename*=UTF-8''{encoded_name}"


async def test_directories_are_not_downloaded(http: httpx.AsyncClient) -> None:
    assert (await http.get(f"{API}/content/download", params={"uri": "viking://resources/no"})).status_code == 404
    assert (await http.get(f"{API}/content/download")).status_code == 400
    assert (await http.get(f"{API}/content/download", params={"uri": "viking://resources"})).status_code == 400


async def test_sidecars_and_views_can_be_downloaded(http: httpx.AsyncClient) -> None:
    await write(http, f"{DOCS}/tea.md", "oolong")
    await http.post(f"{API}/sessions/trip/messages", json={"role": "user", "content": "Lisbon"})
    await http.post(f"{API}/system/wait", json={})
    for uri in (f"{DOCS}/.abstract.md", "viking://user/default/sessions/trip/messages.jsonl"):
        got = await http.get(f"{API}/content/download", params={"uri": uri})
        assert got.status_code == 200
        assert got.content


async def call(http: httpx.AsyncClient, name: str, **arguments: Any) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    headers = {"Accept": "application/json, text/event-stream", "X-OpenViking-User": "ana"}
    return (await http.post("/mcp", json=body, headers=headers)).json()["result"]


async def test_an_agent_hands_out_a_file_once_without_a_key(http: httpx.AsyncClient) -> None:
    await write(http, "viking://user/ana/memories/preferences/ana/tea.md", "oolong")
    text = (await call(http, "download", uri="viking://~/memories/preferences/ana/tea.md"))["content"][0]["text"]
    address = text.splitlines()[-1]
    assert address.startswith("http://localhost/api/v1/content/download?token=")
    got = await http.get(address)
    assert (got.status_code, got.content) == (200, b"oolong")
    again = await http.get(address)
    assert (again.status_code, again.json()["error"]["code"]) == (401, "UNAUTHENTICATED")
    assert (await call(http, "download", uri="viking://~/memories"))["isError"]
