"""The requests of the coding agents' plugins, and what they need of the answers."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from recalld.app.config import ServerConfig
from recalld.surfaces.http.app import create_app
from tests.clients.plugin_wire import LEGACY_WORDS, Plugin, Refused, bearer, turn

TEA = "Ana prefers oolong tea over coffee when she works at night."
BLOCK_REQUEST = {
    "query": "which tea does Ana prefer at night",
    "mode": "context",
    "purpose": "coding",
    "score_threshold": 0.35,
}
MANY_TOKENS = "The build of the northern harbour crane needs a new bearing before winter. " * 40


@pytest.fixture
def claude(http: httpx.AsyncClient) -> Plugin:
    return Plugin(http, bearer())


@pytest.fixture
def codex(http: httpx.AsyncClient) -> Plugin:
    return Plugin(http, bearer(**{"X-API-Key": "none"}))


def is_a_block(block: dict[str, Any]) -> bool:
    """What the shared recall core reads of a context answer."""
    stats = block["stats"]
    assert isinstance(block["rendered"], str)
    assert isinstance(block["digest"], str)
    assert isinstance(block["entries"], list)
    assert {"rewrite", "used_tokens", "tier_counts"} <= set(stats)
    return bool(block["rendered"] or block["digest"])


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"session_id": "cc-never-seen", "dedup_turns": 5},
        {"quotas": {"events": 1, "entities": 2, "preferences": 1, "experiences": 1, "resources": 3, "skills": 2}},
        {"max_tokens": 1600, "peer_scope": "actor", "query_expansion": "off"},
        {"query_expansion": "auto", "session_id": "cc-never-seen"},
        {"exclude_uris": ["viking://user/ana/memories/profile.md"]},
        {"rewrite": "auto", "rewrite_max_bullets": 6},
        {"rewrite": True, "rewrite_max_bullets": 6},
    ],
    ids=lambda more: "+".join(more) or "plain",
)
async def test_every_prompt_gets_its_block(claude: Plugin, more: dict[str, Any]) -> None:
    await claude.remembers("preferences/ana/tea.md", TEA)
    assert await claude("GET", "/health")
    block = await claude("POST", "/search/search", BLOCK_REQUEST | more)
    assert is_a_block(block)
    assert "oolong" in block["rendered"] + block["digest"]
    assert block["entries"][0]["uri"] == "viking://user/ana/memories/preferences/ana/tea.md"


async def test_nothing_to_recall_is_an_empty_block(claude: Plugin) -> None:
    assert not is_a_block(await claude("POST", "/search/search", BLOCK_REQUEST))


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_tokens": 3},
        {"dedup_turns": 1_000},
        {"rewrite_max_bullets": 0},
        {"quotas": {"dreams": 1}},
        {"exclude_uris": ["viking://resources"] * 201},
        {"query": " "},
        {"score_threshold": "high"},
        {"purpose": "poetry"},
        {"peer_scope": "everyone"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
async def test_a_refused_setting_does_not_read_like_an_old_server(claude: Plugin, wrong: dict[str, Any]) -> None:
    """A user's odd configuration must not switch recall back to the old way for six hours."""
    refused = await claude.refused("POST", "/search/search", BLOCK_REQUEST | wrong)
    assert (refused.status, refused.code) == (400, "INVALID_ARGUMENT")
    assert [word for word in LEGACY_WORDS if word in str(refused.body["error"]).lower()] == []


async def test_the_older_recall_answers_as_the_newer(claude: Plugin) -> None:
    await claude.remembers("preferences/ana/tea.md", TEA)
    quotas = {"events": 10, "entities": 10, "preferences": 3, "experiences": 0}
    body = {"query": BLOCK_REQUEST["query"], "quotas": quotas, "max_chars": 6_500, "min_score": 0.1, "render": True}
    assert "oolong" in (await claude("POST", "/search/recall", body))["rendered"]
    assert "oolong" in (await claude("POST", "/search/recall", body | {"peer_scope": "actor"}))["rendered"]


async def test_two_finds_and_a_read_are_the_last_way(claude: Plugin) -> None:
    await claude.remembers("preferences/ana/tea.md", TEA)
    both = []
    for target in ("viking://~/memories", "viking://~/skills"):
        body = {"query": BLOCK_REQUEST["query"], "target_uri": target, "limit": 6, "score_threshold": 0}
        both.append(await claude("POST", "/search/find", body))
    memories, skills = both[0]["memories"], both[1]["skills"]
    assert skills == []
    leaf = next(hit for hit in memories if hit["level"] == 2)
    assert leaf["score"] > 0
    assert isinstance(leaf["abstract"], str)
    assert await claude("GET", "/content/read", uri=leaf["uri"]) == TEA


async def test_the_profile_is_found_from_the_users_name(claude: Plugin) -> None:
    await claude.remembers("preferences/ana/tea.md", TEA)
    user = (await claude("GET", "/system/status"))["user"]
    assert user == "ana"
    listed = await claude("GET", "/fs/ls", uri="viking://user", output="original")
    assert [entry["name"] for entry in listed if entry["isDir"]] == ["ana"]
    profile = f"viking://user/{user}/memories/profile.md"
    assert (await claude.refused("GET", "/content/read", uri=profile)).status == 404
    params = {"output": "agent", "recursive": "true", "abs_limit": 512, "node_limit": 512}
    below = await claude("GET", "/fs/ls", uri=f"viking://user/{user}/memories/preferences", **params)
    (file,) = [entry for entry in below if not entry["isDir"]]
    assert file["rel_path"] == "ana/tea.md"
    assert isinstance(file["abstract"], str)
    none = await claude.ask("GET", "/fs/ls", uri=f"viking://user/{user}/memories/entities", **params)
    assert none == [] or (isinstance(none, Refused) and none.status == 404)


async def test_a_capture_makes_its_session_and_counts_what_it_took(claude: Plugin) -> None:
    parts = [{"type": "text", "text": "Then we moved the crane."}]
    messages = [turn("Where is the crane?"), {"role": "assistant", "parts": parts, "peer_id": "harbour"}]
    took = await claude("POST", "/sessions/cc-new/messages/batch", {"messages": messages})
    assert (took["added"], took["message_count"]) == (2, 2)
    full = [turn(f"message {n}") for n in range(100)]
    assert (await claude("POST", "/sessions/cc-full/messages/batch", {"messages": full}))["added"] == 100
    over = await claude.refused("POST", "/sessions/cc-full/messages/batch", {"messages": [*full, turn("more")]})
    assert over.status not in (404, 405)  # these two mean: this server knows no batches


async def test_messages_sent_before_the_store_is_open_are_retried() -> None:
    app = create_app(None, ServerConfig(request_timeout_s=1.0))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as wire:
        early = Plugin(wire, bearer())
        assert (await early.refused("POST", "/sessions/cc-1/messages/batch", {"messages": [turn("x")]})).kept_for_retry
        assert (await early.refused("POST", "/sessions/cc-1/commit", {})).kept_for_retry
    app.app_state.close()


async def test_claude_code_lives_through_a_session(claude: Plugin) -> None:
    session = "/sessions/cc-4f1e"
    assert await claude("GET", "/health")
    assert await claude("GET", "/health")
    await claude("POST", f"{session}/messages/batch", {"messages": [turn(MANY_TOKENS), turn("Done.", "assistant")]})
    state = await claude("GET", session)
    assert state["pending_tokens"] > 500
    assert state["commit_count"] == 0
    window = await claude("POST", f"{session}/commit", {"keep_recent_count": 10})
    assert (window["status"], window["archived"]) == ("skipped", False)
    assert window["trace_id"]
    ended = await claude("POST", f"{session}/commit", {})
    assert (ended["status"], ended["archived"]) == ("accepted", True)
    assert ended["trace_id"]
    await claude.settled()
    resumed = await claude("GET", f"{session}/context", token_budget=32_000)
    assert "crane" in resumed["latest_archive_overview"]
    assert (await claude("GET", session))["commit_count"] == 1


async def test_a_subagent_and_a_skill_are_seen(claude: Plugin) -> None:
    session = "/sessions/cc-4f1e-sub-1"
    await claude("POST", f"{session}/messages/batch", {"messages": [turn("look into the logs")]})
    assert (await claude("POST", f"{session}/commit", {}))["archived"]
    body = {"query": "deploy", "target_uri": "viking://~/memories/experiences", "context_type": "memory", "limit": 3}
    assert (await claude("POST", "/search/find", body))["memories"] == []


async def test_the_status_page_reads_three_answers(claude: Plugin) -> None:
    assert (await claude("GET", "/health"))["status"] == "ok"
    assert (await claude("GET", "/observer/queue"))["is_healthy"] is True
    assert (await claude("GET", "/system/status"))["initialized"] is True


async def test_the_proxy_speaks_to_the_tools_and_says_goodbye(claude: Plugin) -> None:
    accept = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    headers = claude.headers | accept | {"X-OpenViking-Actor-Peer": "harbour"}
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "proxy", "version": "1"}}

    async def ask(method: str, number: int | None, **params: Any) -> httpx.Response:
        body = {"jsonrpc": "2.0", "method": method, "params": params} | ({"id": number} if number else {})
        return await claude.http.post("/mcp", json=body, headers=headers)

    first = await ask("initialize", 1, **hello)
    assert first.status_code == 200
    if session := first.headers.get("mcp-session-id"):
        headers["Mcp-Session-Id"] = session
    assert (await ask("notifications/initialized", None)).status_code in (200, 202)
    tools = (await ask("tools/list", 2)).json()["result"]["tools"]
    assert {"find", "search", "read", "list", "remember", "forget", "health"} <= {tool["name"] for tool in tools}
    called = (await ask("tools/call", 3, name="health", arguments={})).json()["result"]
    assert called["content"][0]["type"] == "text"
    assert (await claude.http.delete("/mcp", headers=headers)).status_code < 500


async def test_codex_commits_its_last_session_when_it_starts(codex: Plugin) -> None:
    await codex("POST", "/sessions/cx-1/messages/batch", {"messages": [turn(MANY_TOKENS), turn("Yes.", "assistant")]})
    assert await codex("GET", "/health")
    assert (await codex("POST", "/sessions/cx-1/commit", {}))["archived"]
    await codex.settled()
    assert "crane" in (await codex("GET", "/sessions/cx-1/context", token_budget=32_000))["latest_archive_overview"]
    again = await codex("POST", "/sessions/cx-1/commit", {})
    assert (again["archived"], again["reason"]) == (False, "no_messages")
    is_a_block(await codex("POST", "/search/search", BLOCK_REQUEST | {"query": "northern harbour crane bearing"}))


async def test_codex_puts_away_before_it_compacts(codex: Plugin) -> None:
    await codex("POST", "/sessions/cx-2/messages/batch", {"messages": [turn(f"step {n}") for n in range(12)]})
    commit = await codex("POST", "/sessions/cx-2/commit", {"keep_recent_count": 10})
    assert (commit["archived"], commit["status"]) == (True, "accepted")
    assert (await codex("GET", "/sessions/cx-2"))["message_count"] == 10


async def test_opencode_looks_at_the_repositories_and_the_past(http: httpx.AsyncClient) -> None:
    opencode = Plugin(http, bearer())
    params = {"uri": "viking://resources/", "recursive": "false", "simple": "false"}
    assert await opencode("GET", "/fs/ls", **params) == []  # a new store has the directory
    await opencode("POST", "/content/write", {"uri": "viking://resources/repo/readme.md", "content": "# Repo\n\nHi.\n"})
    await opencode.settled()
    (repo,) = await opencode("GET", "/fs/ls", **params)
    assert (repo["uri"], repo["isDir"]) == ("viking://resources/repo", True)
    assert isinstance(repo["abstract"], str)
    await opencode("POST", "/sessions/oc-1/messages/batch", {"messages": [turn("The port is 1933.")]})
    past = await opencode("GET", "/sessions/oc-1/context", token_budget=1_024)
    assert past["messages"][0]["parts"][0]["text"] == "The port is 1933."
    assert (await opencode("POST", "/sessions/oc-1/commit", {"keep_recent_count": 0}))["archived"]
