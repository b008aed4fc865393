"""The requests of Pi, OpenClaw and the Open WebUI tool server, and what they need of the answers."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.clients.plugin_wire import Plugin, bearer, turn
from tests.live import zipped

SKILL = "---\nname: brew-tea\ndescription: Brew tea the way Ana likes it\ntags: [tea]\n---\n\nWarm the pot first.\n"
LONG_OUTPUT = "".join(f"line {n}: the pump is fine\n" for n in range(1_500)) + "line 1500: the pump is BROKEN\n"


@pytest.fixture
def pi(http: httpx.AsyncClient) -> Plugin:
    return Plugin(http, bearer())


@pytest.fixture
def claw(http: httpx.AsyncClient) -> Plugin:
    headers = bearer() | {"X-API-Key": "none", "X-OpenViking-Actor-Peer": "telegram"}
    return Plugin(http, headers)


@pytest.fixture
def webui(http: httpx.AsyncClient) -> Plugin:
    """It always names the peer ``default``."""
    return Plugin(http, bearer("default", **{"X-OpenViking-Actor-Peer": "default"}))


async def test_pi_makes_its_session_twice_and_writes_one_by_one(pi: Plugin) -> None:
    session = await pi("POST", "/sessions", {"session_id": "pi-1"})
    assert session["session_id"] == "pi-1"
    twice = await pi.refused("POST", "/sessions", {"session_id": "pi-1"})
    assert (twice.status, twice.code) == (409, "ALREADY_EXISTS")
    assert (await pi("GET", "/sessions/pi-2", auto_create="true"))["session_id"] == "pi-2"
    assert (await pi("POST", "/sessions/pi-1/messages", turn("The pump is loud.")))["message_count"] == 1
    parts = [{"type": "text", "text": "I oil it."}]
    assert (await pi("POST", "/sessions/pi-1/messages", {"role": "assistant", "parts": parts}))["message_count"] == 2
    live = await pi("GET", "/sessions/pi-1/context", token_budget=4_000)
    assert [m["role"] for m in live["messages"]] == ["user", "assistant"]
    assert (await pi("POST", "/sessions/pi-1/commit", {"keep_recent_count": 0}))["archived"]
    await pi.settled()
    assert "pump" in (await pi("GET", "/sessions/pi-1/context", token_budget=4_000))["latest_archive_overview"]


async def test_pi_browses_reads_and_forgets(pi: Plugin) -> None:
    uri = await pi.remembers("entities/machines/pump.md", "# Pump\n\nThe pump in hall two is loud.\n")
    folder = uri.rsplit("/", 1)[0]
    found = await pi("POST", "/search/find", {"query": "loud pump", "limit": 5})
    assert uri in [hit["uri"] for hit in found["memories"]]
    await pi.settled()
    assert "pump" in await pi("GET", "/content/read", uri=uri)
    for tier in ("abstract", "overview"):
        assert isinstance(await pi("GET", f"/content/{tier}", uri=folder), str)
    assert [row["uri"] for row in await pi("GET", "/fs/ls", uri=folder)] == [uri]
    assert (await pi("GET", "/fs/stat", uri=uri))["isDir"] is False
    gone = await pi("DELETE", "/fs", uri=uri, recursive="false")
    assert (gone["uri"], gone["estimated_deleted_count"]) == (uri, 1)
    assert (await pi.refused("GET", "/fs/stat", uri=uri)).status == 404
    assert (await pi("DELETE", "/fs", uri=uri))["uri"] == uri  # forgotten twice is forgotten


@pytest.mark.parametrize("path", ["/etc/passwd", "http://127.0.0.1:9/page", "file:///etc/passwd"])
async def test_pi_cannot_have_the_server_read_what_is_private(pi: Plugin, path: str) -> None:
    refused = await pi.refused("POST", "/resources", {"path": path})
    assert refused.status in (400, 403)
    assert not refused.kept_for_retry


async def test_openclaw_knows_a_made_session_by_the_errors_code(claw: Plugin) -> None:
    policy = {"self": {"enabled": True}, "peer": {"enabled": True}}
    body = {"session_id": "claw-1", "memory_policy": policy}
    await claw("POST", "/sessions", body)
    error = (await claw.refused("POST", "/sessions", body)).body["error"]
    assert "[ALREADY_EXISTS]" in f"[{error['code']}] {error['message']}"


async def test_openclaw_recalls_by_target_and_reads_the_leaves(claw: Plugin) -> None:
    uri = await claw.remembers("events/2026/11/25/pump.md", "The pump in hall two was replaced on Monday.")
    body = {"query": "when was the pump replaced", "limit": 6, "score_threshold": 0}
    ask = body | {"target_uri": "viking://~/memories", "context_type": "memory"}
    (hit,) = (await claw("POST", "/search/find", ask))["memories"]
    assert (hit["uri"], hit["level"]) == (uri, 2)
    assert hit["score"] > 0.15  # its own threshold
    assert "Monday" in await claw("GET", "/content/read", uri=uri)
    assert (await claw("POST", "/search/find", body | {"target_uri": "viking://resources"}))["resources"] == []


async def test_openclaw_assembles_records_and_compacts(claw: Plugin) -> None:
    session = "/sessions/claw-2"
    empty = await claw("GET", session, auto_create="true")
    assert empty["pending_tokens"] == 0
    tool = {"type": "tool", "tool_id": "t1", "tool_name": "bash", "tool_input": {"command": "ls"}, "tool_output": "a b"}
    tool["tool_status"] = "completed"
    await claw("POST", f"{session}/messages", turn("List the files.") | {"peer_id": "telegram"})
    parts = [{"type": "text", "text": "There are two files."}, tool]
    await claw(
        "POST", f"{session}/messages", {"role": "assistant", "parts": parts, "created_at": "2026-11-25T10:00:01Z"}
    )
    context = await claw("GET", f"{session}/context", token_budget=32_000)
    assert context["estimatedTokens"] > 0
    assert context["pre_archive_abstracts"] == []
    assert isinstance(context["latest_archive_overview"], str)
    assert {
        "totalArchives",
        "includedArchives",
        "droppedArchives",
        "failedArchives",
        "activeTokens",
        "archiveTokens",
    } <= (set(context["stats"]))
    part = context["messages"][1]["parts"][1]
    assert (part["tool_name"], part["tool_output"], part["tool_status"]) == ("bash", "a b", "completed")
    committed = await claw("POST", f"{session}/commit", {"keep_recent_count": 0})
    await claw.settled()
    task = await claw("GET", f"/tasks/{committed['task_id']}")
    assert (task["status"], task["task_type"]) == ("completed", "session_commit")
    assert isinstance(task["result"]["memories_extracted"], dict)
    expanded = await claw("GET", f"{session}/archives/{committed['archive_uri'].rsplit('/', 1)[1]}")
    assert len(expanded["messages"]) == 2


async def test_openclaw_searches_what_was_put_away(claw: Plugin) -> None:
    await claw("POST", "/sessions/claw-3/messages", turn("The spare key hangs behind the fern."))
    committed = await claw("POST", "/sessions/claw-3/commit", {"keep_recent_count": 0})
    await claw.settled()
    history = "viking://~/sessions/claw-3/history"
    archive = committed["archive_uri"].rsplit("/", 1)[1]
    for place in (history, f"{history}/{archive}"):
        body = {"uri": place, "pattern": "SPARE KEY", "case_insensitive": True}
        found = await claw("POST", "/search/grep", body)
        assert found["match_count"] > 0, place
        assert any("fern" in match["content"] for match in found["matches"])


async def test_openclaw_pages_through_a_long_tool_result(claw: Plugin) -> None:
    session = "/sessions/claw-4"
    tool = {
        "type": "tool",
        "tool_id": "t9",
        "tool_name": "read_log",
        "tool_output": LONG_OUTPUT,
        "tool_status": "completed",
    }
    await claw("POST", f"{session}/messages", {"role": "assistant", "parts": [tool]})
    part = (await claw("GET", f"{session}/context"))["messages"][0]["parts"][0]
    assert part["tool_output_truncated"] is True
    assert len(part["tool_output"]) <= 2_000
    (listed,) = (await claw("GET", f"{session}/tool-results", tool_name="read_log", limit=50))["tool_results"]
    one = f"{session}/tool-results/{listed['tool_result_id']}"
    page = await claw("GET", one, offset=10, limit=100)
    assert page["content"] == LONG_OUTPUT[10:110]
    assert (page["total_chars"], page["has_more"], page["offset_unit"]) == (
        len(LONG_OUTPUT),
        True,
        "unicode_code_point",
    )
    (match,) = (await claw("GET", f"{one}/search", q="BROKEN", limit=20))["matches"]
    assert "BROKEN" in match["snippet"]
    assert (await claw.refused("GET", f"{session}/tool-results/tr_none")).status == 404


async def test_openclaw_uploads_resources_and_skills(claw: Plugin) -> None:
    page = await claw.uploaded("handbook.md", b"# Handbook\n\nRefunds take thirty days.\n")
    added = await claw("POST", "/resources", {"temp_file_id": page, "wait": True, "timeout": 60, "reason": "asked"})
    assert added["status"] == "success"
    assert "thirty" in str(await claw("POST", "/search/grep", {"uri": added["root_uri"], "pattern": "thirty"}))
    skill = await claw.uploaded("SKILL.md", SKILL.encode())
    skill_result = await claw("POST", "/skills", {"temp_file_id": skill, "wait": True, "timeout": 60})
    assert (skill_result["status"], skill_result["name"]) == ("success", "brew-tea")
    (found,) = (await claw("POST", "/search/find", {"query": "brew tea", "context_type": "skill", "level": [2]}))[
        "skills"
    ]
    assert "brew-tea" in found["uri"]


async def test_a_zipped_directory_is_unpacked_under_the_directorys_name(claw: Plugin) -> None:
    """The SDK and ``ov`` zip a directory and send its bare name beside the archive."""
    archive = await claw.uploaded(
        "temp_upload_0fe4.zip", zipped({"pump.md": "# Pump\n\nOil it.\n", "src/oil.py": "x = 1\n"})
    )
    body = {"temp_file_id": archive, "source_name": "manual", "wait": True, "timeout": 60}
    assert (await claw("POST", "/resources", body))["root_uri"] == "viking://resources/manual"
    assert await claw("GET", "/content/read", uri="viking://resources/manual/pump.md") == "# Pump\n\nOil it.\n"
    assert await claw("GET", "/content/read", uri="viking://resources/manual/src/oil.py") == "x = 1\n"


async def test_openclaw_stores_and_forgets(claw: Plugin) -> None:
    await claw("POST", "/sessions/claw-5/messages", turn("I prefer the window seat."))
    assert (await claw("POST", "/sessions/claw-5/commit", {}))["archived"]
    uri = await claw.remembers("preferences/ana/seat.md", "Ana prefers the window seat.")
    found = await claw(
        "POST", "/search/find", {"query": "window seat", "target_uri": "viking://~/memories", "limit": 5}
    )
    assert uri in [hit["uri"] for hit in found["memories"]]
    assert (await claw("DELETE", "/fs", uri=uri, recursive="false"))["estimated_deleted_count"] == 1
    listed = await claw("GET", "/fs/ls", uri="viking://~/memories/preferences/ana")
    assert uri not in [row["uri"] for row in listed]
    assert (await claw("DELETE", "/sessions/claw-5"))["session_id"] == "claw-5"


async def test_open_webui_writes_lists_reads_and_finds_with_its_peer(webui: Plugin) -> None:
    assert (await webui("GET", "/health"))["status"] == "ok"
    memories = "viking://~/memories/"
    note = {
        "uri": "viking://~/memories/preferences/default/seat.md",
        "content": "A window seat, always.",
        "mode": "create",
    }
    wrote: dict[str, Any] = await webui("POST", "/content/write", note)
    again = await webui.refused("POST", "/content/write", note)
    assert (again.status, again.code) == (409, "ALREADY_EXISTS")
    await webui("POST", "/content/write", {"uri": wrote["uri"], "content": " Near the front.", "mode": "append"})
    assert await webui("GET", "/content/read", uri=wrote["uri"]) == "A window seat, always. Near the front."
    below = await webui("GET", "/fs/ls", uri=memories, recursive="true")
    assert wrote["uri"] in [row["uri"] for row in below]
    top = await webui("GET", "/fs/ls", uri=memories, recursive="false")
    assert wrote["uri"] not in [row["uri"] for row in top]
    found = await webui("POST", "/search/find", {"query": "window seat", "limit": 5})
    assert wrote["uri"] in json.dumps(found)
    assert (await webui.refused("GET", "/sessions/never")).code == "NOT_FOUND"
    local = {"path": "/etc/hosts", "reason": "", "instruction": "", "wait": False}
    assert (await webui.refused("POST", "/resources", local)).status == 403
