"""An agent on another machine uploads a file to a signed address that works once and needs no key."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recalld.surfaces.mcp.mount import Mcp
from tests.auth_fixture import API, Place, place_at

MANUAL = "viking://user/ana/resources/manual"
ACCEPT = {"Accept": "application/json, text/event-stream"}
SENT = {"file": ("manual.md", b"# The boiler\n\nTurn the red valve.\n")}


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with place_at(tmp_path / "data", mounted_apps={"/mcp": Mcp}) as place:
        await place.people("acme/ana", "acme/bob")
        yield place


async def signed(place: Place, path: str = "/home/ana/manual.md") -> str:
    """Where the tool tells Ana to send it."""
    arguments = {"path": path, "to": "viking://~/resources/manual"}
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "add_resource", "arguments": arguments},
    }
    response = await place.ask("acme/ana", "POST", "/mcp", json=body, headers=ACCEPT)
    found = re.search(rf"({API}/resources/temp_upload\?token=[\w-]+)", response.text)
    assert found, response.text
    return found[1]


async def test_a_signed_upload_is_imported_at_once_as_its_owner(place: Place) -> None:
    address = await signed(place)
    answer = await place.ask("no", "POST", address, files=SENT)
    assert answer.result["status"] == "success"
    await place.settle()
    read = await place.ask("acme/ana", "GET", f"/content/read?uri={MANUAL}/manual.md")
    assert "red valve" in read.result
    assert (await place.ask("acme/bob", "GET", f"/content/read?uri={MANUAL}/manual.md")).status == 403


async def test_an_address_is_good_once_and_for_sending_alone(place: Place) -> None:
    address = await signed(place)
    token = address.split("token=")[1]
    assert (await place.ask("no", "GET", f"/content/download?token={token}")).status == 401
    again = await signed(place)
    assert (await place.ask("no", "POST", again, files=SENT)).status == 200
    for used in (address, again, f"{API}/resources/temp_upload?token=guess"):
        refused = await place.ask("no", "POST", used, files=SENT)
        assert (refused.status, refused.code) == (401, "UNAUTHENTICATED")


async def test_without_a_token_a_key_is_required(place: Place) -> None:
    assert (await place.ask("no", "POST", "/resources/temp_upload", files=SENT)).status == 401


async def test_paths_in_the_suggested_command_are_shell_quoted(place: Place) -> None:
    arguments = {"path": "x'; rm -rf ~ #", "to": ""}
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "add_resource", "arguments": arguments},
    }
    response = await place.ask("acme/ana", "POST", "/mcp", json=body, headers=ACCEPT)
    command = next(line for line in response.body["result"]["content"][0]["text"].splitlines() if "curl" in line)
    assert "'file=@x'\"'\"'; rm -rf ~ #'" in command
