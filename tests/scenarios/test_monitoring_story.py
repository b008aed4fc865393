"""Monitoring routes against a real engine."""

from __future__ import annotations

from recalld.app.housekeeping import Housekeeping
from recalld.infra.watchdog import Watchdog
from tests.scenarios.test_http_story import Client, client

__all__ = ["client"]


async def planted(client: Client) -> None:
    for n in range(3):
        body = {"uri": f"viking://resources/docs/{n}.md", "content": f"# Page {n}\n\nabout amber\n"}
        await client("POST", "/content/write", json=body)
    tea = {"uri": "viking://~/memories/events/tea.md", "content": "Ana likes tea"}
    await client("POST", "/content/write", json=tea)
    await client("POST", "/sessions/s/messages", json={"role": "user", "content": "we move to Lisbon"})
    await client.settled()


async def test_the_parts_answer_as_promised(client: Client) -> None:
    await planted(client)
    for part in ("queue", "vikingdb", "models", "lock", "retrieval", "filesystem"):
        assert (await client("GET", f"/observer/{part}"))["name"] == part
    whole = await client("GET", "/observer/system")
    assert set(whole) == {"healthy", "is_healthy", "errors", "components"}


async def test_memories_are_counted(client: Client) -> None:
    await planted(client)
    found = await client("GET", "/stats/memories")
    assert (found["total_memories"], found["by_category"]["events"], found["by_category"]["cases"]) == (1, 1, 0)
    assert found["hotness_distribution"] == {"cold": 0, "warm": 0, "hot": 1}
    assert (await client("GET", "/stats/memories", params={"category": "cases"}))["total_memories"] == 0
    refused = await client.refused("GET", "/stats/memories", params={"category": "hats"})
    assert refused == (400, "INVALID_ARGUMENT")


async def test_memories_of_another_user_are_not(client: Client) -> None:
    await planted(client)
    bob = {"X-OpenViking-User": "bob"}
    assert (await client("GET", "/stats/memories", headers=bob))["total_memories"] == 0
    assert await client.refused("GET", "/stats/sessions/s", headers=bob) == (404, "NOT_FOUND")


async def test_a_session_is_counted(client: Client) -> None:
    await planted(client)
    await client("POST", "/sessions/s/used", json={"contexts": ["viking://resources/docs/1.md"]})
    assert await client("GET", "/stats/sessions/s") == {
        "session_id": "s",
        "total_turns": 1,
        "memories_extracted": 0,
        "contexts_used": 1,
        "skills_used": 0,
    }


async def test_the_index_is_read_page_by_page(client: Client) -> None:
    await planted(client)
    total = (await client("GET", "/debug/vector/count"))["count"]
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await client(
            "GET", "/debug/vector/scroll", params={"limit": 2, **({"cursor": cursor} if cursor else {})}
        )
        seen += [record["id"] for record in page["records"]]
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen)) == total
    texts = '{"op":"must","field":"level","conds":[2]}'
    assert 0 < (await client("GET", "/debug/vector/count", params={"filter": texts}))["count"] < total


async def test_bad_pages_and_filters_are_refused(client: Client) -> None:
    for bad in ({"limit": 0}, {"limit": 1001}, {"cursor": "x"}):
        assert await client.refused("GET", "/debug/vector/scroll", params=bad) == (400, "INVALID_ARGUMENT")
    for text in ("[1]", "{", "x" * 20_000):
        refused = await client.refused("GET", "/debug/vector/count", params={"filter": text})
        assert refused == (400, "INVALID_FILTER")


async def test_the_figures_are_those_of_this_store(client: Client) -> None:
    await planted(client)
    engine = client.http._transport.app.app_state.engine  # type: ignore[attr-defined]
    keeper = Housekeeping(engine._ports, engine.config, Watchdog())
    await keeper.round()
    engine._housekeeping = keeper
    text = (await client.http.get("/metrics")).text
    usage = await engine.usage()
    assert f'recalld_store_entries{{type="chunks"}} {usage.chunks}.0\n' in text
    assert f'recalld_store_entries{{type="sessions"}} {usage.sessions}.0\n' in text
    assert "recalld_ready 1.0\n" in text
    assert 'route="/api/v1/content/write",status="200"} 4.0\n' in text
    assert 'recalld_thread_pool_active_calls{pool="compute"}' in text
