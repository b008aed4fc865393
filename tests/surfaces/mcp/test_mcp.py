"""The tools over HTTP: raw requests and the official client, against a real engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from recalld.app.config import ServerConfig
from recalld.app.engine import Engine
from recalld.surfaces.http.app import create_app
from recalld.surfaces.mcp.mount import Mcp
from recalld.surfaces.mcp.tools import TOOLS
from tests.tripwire import Tripwire

ACCEPT = {"Accept": "application/json, text/event-stream"}
TEA = "viking://resources/notes/tea.md"


class Agent:
    def __init__(self, http: httpx.AsyncClient, user: str = "ana") -> None:
        self.http = http
        self.headers = {**ACCEPT, "X-OpenViking-User": user}

    async def ask(self, method: str, **params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = await self.http.post("/mcp", json=body, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def __call__(self, tool: str, **arguments: Any) -> tuple[str, bool]:
        result = (await self.ask("tools/call", name=tool, arguments=arguments))["result"]
        return result["content"][0]["text"], bool(result.get("isError"))

    async def call_text(self, tool: str, **arguments: Any) -> str:
        text, failed = await self(tool, **arguments)
        assert not failed, text
        return text


@pytest.fixture
async def http(tmp_path: Path, tripwire: Tripwire) -> AsyncIterator[httpx.AsyncClient]:
    async with Engine.open(tmp_path, embedder={"provider": "none"}) as engine:
        tripwire.trips.clear()  # the wire is stretched for requests, not for making the folder
        app = create_app(engine, ServerConfig(), mounted_apps={"/mcp": Mcp})
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://localhost", timeout=60
        ) as http:
            yield http
        app.app_state.close()


@pytest.fixture
def ana(http: httpx.AsyncClient) -> Agent:
    return Agent(http)


async def test_the_server_calls_itself_openviking(ana: Agent) -> None:
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
    assert (await ana.ask("initialize", **hello))["result"]["serverInfo"]["name"] == "openviking"


async def test_all_tools_are_listed_with_flat_schemas(ana: Agent) -> None:
    tools = (await ana.ask("tools/list"))["result"]["tools"]
    assert [t["name"] for t in tools] == [t.name for t in TOOLS]
    assert not any(word in str(tools) for word in ("$ref", "anyOf"))


async def test_a_written_file_is_found_read_edited_and_forgotten(ana: Agent) -> None:
    assert TEA in await ana.call_text("write", uri=TEA, content="# Tea\n\nAna drinks oolong at dawn.\n")
    found = await ana.call_text("find", query="when does Ana drink oolong", min_score=0.0)
    assert found.startswith("Found 1 item(s):\n- [resource ")
    assert TEA in found
    assert "oolong" in await ana.call_text("search", query="oolong", min_score=0.0)
    assert "oolong" in await ana.call_text("search", query="oolong", mode="context", min_score=0.0)
    assert "[file] tea.md" in await ana.call_text("list", uri="viking://resources/notes")
    assert "[file] tea.md" in await ana.call_text("tree", uri="viking://resources")
    assert f"{TEA}:3:" in await ana.call_text(
        "grep", uri="viking://resources", pattern=["OOLONG", "none"], case_insensitive=True
    )
    assert TEA in await ana.call_text("glob", pattern="**/*.md", uri="viking://resources")
    await ana.call_text("edit", uri=TEA, old_string="oolong", new_string="sencha")
    both = await ana.call_text("read", uris=[TEA, "viking://resources/none.md"])
    assert f"=== {TEA} ===\n# Tea\n\nAna drinks sencha" in both
    assert "=== viking://resources/none.md ===\nError:" in both
    await ana.call_text("forget", uri=TEA)
    assert await ana.call_text("find", query="sencha") == "No matching context found."


async def test_a_hit_shows_its_passage_and_its_place(ana: Agent) -> None:
    text = "# Tea\n\n" + "Nothing of note happens here. " * 20 + "\n\n## Dawn\n\nAna drinks oolong at dawn.\n"
    await ana.call_text("write", uri=TEA, content=text)
    found = await ana.call_text("find", query="when does Ana drink oolong", min_score=0.0)
    assert f"{TEA}\n  [Tea > Dawn, lines 7 to 7]\n  Ana drinks oolong at dawn." in found


async def test_copies_are_one_hit_unless_all_are_wanted(ana: Agent) -> None:
    for name in ("tea", "copy"):
        await ana.call_text("write", uri=f"viking://resources/notes/{name}.md", content="# Tea\n\nAna drinks oolong.\n")
    found = await ana.call_text("search", query="oolong", min_score=0.0)
    assert found.startswith("Found 1 item(s):")
    assert "[the same text: viking://resources/notes/" in found
    assert (await ana.call_text("search", query="oolong", min_score=0.0, all_hits=True)).startswith("Found 2 item(s):")


async def test_memories_are_visible_to_their_user_only(ana: Agent, http: httpx.AsyncClient) -> None:
    text = await ana.call_text("remember", messages=[{"role": "user", "content": "The key is under the fern."}])
    assert "session mcp-store-" in text
    assert "fern" in await ana.call_text("find", query="key under the fern", min_score=0.0)
    assert (
        await Agent(http, "bob").call_text("find", query="key under the fern", min_score=0.0)
        == "No matching context found."
    )


@pytest.mark.parametrize(
    ("tool", "arguments", "word"),
    [
        ("find", {}, "query"),
        ("find", {"query": "x", "limit": "ten"}, "limit"),
        ("find", {"query": "x", "limit": 0}, "limit"),
        ("find", {"query": "x", "colour": 1}, "colour"),
        ("write", {"uri": "viking://resources/../x", "content": ""}, "INVALID_URI"),
        ("read", {"uris": "viking://resources/none.md"}, "NOT_FOUND"),
        ("forget", {"uri": "viking://resources/none.md"}, "NOT_FOUND"),
        ("cancel_watch", {"to_uri": "viking://resources/x"}, "not implemented"),
        ("add_resource", {"path": "https://example.com"}, "not implemented"),
        ("fly", {}, "no tool"),
    ],
)
async def test_a_refusal_is_a_text_that_names_the_fault(
    ana: Agent, tool: str, arguments: dict[str, Any], word: str
) -> None:
    text, failed = await ana(tool, **arguments)
    assert failed
    assert word in text


async def test_an_upload_becomes_a_resource(ana: Agent) -> None:
    sent = await ana.http.post(
        "/api/v1/resources/temp_upload",
        files={"file": ("p.md", b"# P\n\nwords\n")},
        headers={"X-OpenViking-User": "ana"},
    )
    text = await ana.call_text("add_resource", temp_file_id=sent.json()["result"]["temp_file_id"])
    assert "viking://resources/p" in text


async def test_a_local_path_is_answered_with_how_to_upload(ana: Agent) -> None:
    assert "temp_upload" in await ana.call_text("add_resource", path="/home/ana/notes.md")
    assert "not implemented" in await ana.call_text("list_watches")
    assert "recalld is" in await ana.call_text("health")


async def test_wrong_methods_bodies_and_names_are_refused(http: httpx.AsyncClient) -> None:
    assert (await http.put("/mcp")).status_code == 405
    assert (
        await http.post("/mcp", content=b"{", headers={**ACCEPT, "Content-Type": "application/json"})
    ).status_code == 400
    bad = await http.post("/mcp", json={}, headers={**ACCEPT, "X-OpenViking-User": "a b"})
    assert (bad.status_code, bad.json()["error"]["code"]) == (400, -32001)


async def test_before_the_store_is_open_a_call_may_be_repeated() -> None:
    app = create_app(None, ServerConfig(request_timeout_s=1.0), mounted_apps={"/mcp": Mcp})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as http:
        answer = await http.post("/mcp", json={}, headers=ACCEPT)
    app.app_state.close()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


# What the wire promises of each tool: arguments with their defaults, "!" where one must be given.
PROMISED: dict[str, dict[str, Any]] = {
    "find": {"query": "!", "target_uri": "", "limit": 10, "min_score": 0.35, "level": None, "context_type": None,
             "read_content": False, "all_hits": False},
    "search": {"query": "!", "target_uri": "", "session_id": None, "limit": 10, "min_score": None, "level": None,
               "context_type": None, "mode": "list", "query_expansion": "auto", "max_tokens": 1600, "quotas": None,
               "purpose": None, "detail": "auto", "detail_by_category": None, "dedup_turns": 0, "exclude_uris": None,
               "peer_scope": "all", "other_peer_penalty": None, "other_peer_penalties": None, "rewrite": "off",
               "rewrite_max_bullets": 6, "all_hits": False},
    "read": {"uris": "!", "offset": 0, "limit": -1},
    "list": {"uri": "!", "recursive": False, "node_limit": 1000},
    "tree": {"uri": "viking://", "level_limit": 3, "node_limit": 1000, "include_abstract": False},
    "remember": {"messages": "!"},
    "write": {"uri": "!", "content": "!", "mode": "replace", "wait": False, "timeout": None},
    "edit": {"uri": "!", "old_string": "!", "new_string": "!", "replace_all": False, "wait": False, "timeout": None},
    "list_watches": {},
    "cancel_watch": {"to_uri": "!"},
    "grep": {"uri": "!", "pattern": "!", "case_insensitive": False, "node_limit": 10},
    "glob": {"pattern": "!", "uri": "viking://", "node_limit": 100},
    "forget": {"uri": "!", "recursive": False},
    "health": {},
}  # fmt: skip


@pytest.mark.parametrize("tool", sorted(PROMISED))
async def test_a_tool_takes_what_the_wire_promises(ana: Agent, tool: str) -> None:
    tools = {t["name"]: t for t in (await ana.ask("tools/list"))["result"]["tools"]}
    schema = tools[tool]["inputSchema"]
    shown = {
        name: "!" if name in schema.get("required", []) else how.get("default")
        for name, how in schema["properties"].items()
    }
    assert shown == PROMISED[tool]
    assert all("type" in how for how in schema["properties"].values())
    assert tools[tool]["description"]


async def test_of_a_union_the_widest_form_is_shown(ana: Agent) -> None:
    tools = {t["name"]: t["inputSchema"]["properties"] for t in (await ana.ask("tools/list"))["result"]["tools"]}
    assert tools["read"]["uris"]["type"] == tools["grep"]["pattern"]["type"] == "array"
    assert tools["search"]["purpose"] == {"type": "string", "enum": ["chat", "coding"]}
    assert tools["search"]["quotas"] == {"type": "object", "additionalProperties": {"type": "integer"}}


async def test_found_entries_can_be_read_at_once(ana: Agent) -> None:
    text = "# Tea\n\nAna drinks oolong at dawn.\n\n" + "Rain fell on the harbour. " * 20 + "\n\nAnd sencha at dusk.\n"
    await ana.call_text("write", uri=TEA, content=text)
    assert "sencha at dusk" not in await ana.call_text("find", query="oolong at dawn", min_score=0.0)
    found = await ana.call_text("find", query="oolong at dawn", min_score=0.0, read_content=True)
    assert "\n\n  And sencha at dusk.\n" in found
    assert found.endswith("Use read with an address for the full text.")


async def test_content_is_cut_where_it_is_long(ana: Agent) -> None:
    for i in range(8):
        await ana.call_text("write", uri=f"viking://resources/notes/{i}.md", content="oolong tea " * 1_000)
    found = await ana.call_text("find", query="oolong tea", min_score=0.0, read_content=True)
    assert "[cut: use read for the rest]" in found
    assert len(found) < 60_000


async def test_a_block_is_not_repeated_in_a_session(ana: Agent) -> None:
    await ana.call_text("write", uri=TEA, content="Ana drinks oolong at dawn.")
    await ana.http.post(
        "/api/v1/sessions/s/messages", json={"role": "user", "content": "hi"}, headers={"X-OpenViking-User": "ana"}
    )
    arguments = {
        "query": "when is oolong time",
        "mode": "context",
        "session_id": "s",
        "dedup_turns": 5,
        "min_score": 0.0,
    }
    assert "<memory uri=" in await ana.call_text("search", **arguments)
    assert await ana.call_text("search", **arguments) == "No matching context found."


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"purpose": "war"}, "purpose"),
        ({"quotas": {"dreams": 1}}, "quotas"),
        ({"detail_by_category": {"events": "huge"}}, "detail"),
        ({"max_tokens": 1}, "max_tokens"),
        ({"target_uri": "viking://resources"}, "target_uri"),
    ],
)
async def test_a_block_that_cannot_be_is_refused(ana: Agent, arguments: dict[str, Any], word: str) -> None:
    text, failed = await ana("search", query="x", mode="context", **arguments)
    assert failed
    assert word in text


async def test_concurrent_edits_of_one_file_all_apply(ana: Agent) -> None:
    await ana.call_text("write", uri=TEA, content="".join(f"slot{i}: open\n" for i in range(8)))
    answers = await asyncio.gather(
        *(ana.call_text("edit", uri=TEA, old_string=f"slot{i}: open", new_string=f"slot{i}: taken") for i in range(8))
    )
    assert answers == [f"Edited {TEA} (1 replacement(s))."] * 8
    assert (await ana.call_text("read", uris=TEA)).count("taken") == 8


async def test_an_edit_matches_across_windows_line_ends(ana: Agent) -> None:
    await ana.call_text("write", uri=TEA, content="first line\r\nsecond line\r\n")
    await ana.call_text("edit", uri=TEA, old_string="first line\nsecond line", new_string="one\ntwo")
    assert "one" in await ana.call_text("read", uris=TEA)


@pytest.mark.parametrize(
    "arguments",
    [
        {"limit": "5"}, {"limit": 5.0}, {"limit": None}, {"target_uri": None}, {"min_score": "0.2"}, {"level": 2},
        {"level": "2"}, {"level": "[2]"}, {"read_content": "true"}, {"context_type": '["resource"]'},
    ],
    ids=str,
)  # fmt: skip
async def test_arguments_are_taken_as_models_write_them(ana: Agent, arguments: dict[str, Any]) -> None:
    await ana.call_text("write", uri=TEA, content="The heron nests by the mill.")
    assert TEA in await ana.call_text("find", **{"query": "heron mill", "min_score": 0, **arguments})


@pytest.mark.parametrize(
    "arguments", [{"limit": "five"}, {"limit": 5.5}, {"limit": 0}, {"level": "x"}, {"colour": 1}], ids=str
)
async def test_unknown_arguments_are_refused_with_the_valid_names(ana: Agent, arguments: dict[str, Any]) -> None:
    text, failed = await ana("find", query="heron", **arguments)
    assert failed
    assert "query, target_uri?" in text


@pytest.mark.parametrize(
    "arguments",
    [{"content": "I like tea"}, {"text": "I like tea"}, {"messages": "I like tea"}, {"message": "I like tea"}],
)
async def test_one_text_is_remembered_under_any_name(ana: Agent, arguments: dict[str, Any]) -> None:
    assert (await ana.call_text("remember", **arguments)).startswith("Stored 1 message")


async def test_a_cut_grep_says_so_and_a_whole_one_counts(ana: Agent) -> None:
    await ana.call_text("write", uri=TEA, content="".join(f"tea {n}\n" for n in range(12)))
    cut = await ana.call_text("grep", uri=TEA, pattern="tea", node_limit=10)
    assert cut.startswith("Found more than 10 matches")
    assert (await ana.call_text("grep", uri=TEA, pattern="tea", node_limit=12)).startswith("Found 12 match(es)")


async def test_a_long_text_is_cut_at_a_line_and_read_on(ana: Agent) -> None:
    lines = [f"line {n} of a long text about terns and skuas\n" for n in range(5_000)]
    await ana.call_text("write", uri=TEA, content="".join(lines))
    read, offset = "", 0
    while True:
        page = await ana.call_text("read", uris=TEA, offset=offset)
        assert len(page) < 110_000
        body, _, foot = page.rpartition("\n[lines ")
        if not body:
            break
        read += f"{body}\n"
        offset = int(foot.rpartition("offset=")[2].rstrip("]"))
    assert read + page == "".join(lines)
    assert (
        await ana.call_text("read", uri=TEA, offset=3, limit=1)
        == f"{lines[3].rstrip()}\n[lines 3 to 4 of 5000; continue with offset=4]"
    )


async def test_many_addresses_share_the_room_of_one_answer(ana: Agent) -> None:
    uris = [f"viking://resources/notes/{n}.md" for n in range(8)]
    for uri in uris:
        await ana.call_text("write", uri=uri, content="terns and skuas\n" * 3_000)
    assert len(await ana.call_text("read", uris=uris)) < 120_000


async def test_cut_lists_say_so(ana: Agent) -> None:
    for n in range(4):
        await ana.call_text("write", uri=f"viking://resources/notes/{n}.md", content="x")
    for tool, more in (("list", {}), ("tree", {}), ("glob", {"pattern": "**/*.md"}), ("list", {"recursive": True})):
        whole = await ana.call_text(tool, uri="viking://resources/notes", node_limit=4, **more)
        cut = await ana.call_text(tool, uri="viking://resources/notes", node_limit=3, **more)
        assert "node_limit" not in whole
        assert "node_limit" in cut
