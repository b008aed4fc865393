"""A session's context within a budget, its archives, counters and deletion."""

from __future__ import annotations

import pytest

from recalld.domain.errors import Conflict, Invalid, NotFound
from tests.harness import Harness, words


async def texts(harness: Harness, budget: int = 128_000) -> list[str]:
    return [m["parts"][0]["text"] for m in (await harness.engine.sessions.context("s", token_budget=budget)).messages]


async def test_until_an_archive_is_read_its_messages_are_shown_raw(harness: Harness) -> None:
    await harness.append("s", "one", "two")
    await harness.commit("s")
    await harness.append("s", "three")
    assert await texts(harness) == ["one", "two", "three"]
    await harness.settle()
    shown = await harness.engine.sessions.context("s")
    assert [m["parts"][0]["text"] for m in shown.messages] == ["three"]
    assert shown.overview.startswith("## Session Title")


@pytest.mark.parametrize("budget", [0, 50, 120, 1_000, 128_000])
async def test_the_context_fits_the_token_budget(harness: Harness, budget: int) -> None:
    await harness.append("s", words(100))
    await harness.commit("s")
    await harness.settle()
    await harness.append("s", *[words(10) for _ in range(30)])
    shown = await harness.engine.sessions.context("s", token_budget=budget)
    assert shown.tokens == shown.active_tokens + shown.archive_tokens <= budget


async def test_the_newest_messages_are_the_last_to_go(harness: Harness) -> None:
    await harness.append("s", *[f"{i} {words(20)}" for i in range(10)])
    shown = await texts(harness, 120)
    assert 0 < len(shown) < 10
    assert shown[-1].startswith("9 ")


async def test_a_negative_budget_is_refused(harness: Harness) -> None:
    await harness.append("s", "x")
    with pytest.raises(Invalid):
        await harness.engine.sessions.context("s", token_budget=-1)


async def test_an_archive_is_there_once_it_is_read(harness: Harness) -> None:
    await harness.append("s", "one")
    await harness.commit("s")
    with pytest.raises(NotFound):
        await harness.engine.sessions.archive("s", "archive_001")
    await harness.settle()
    assert (await harness.engine.sessions.archive("s", "archive_001"))[0].message_count == 1
    for name in ("archive_002", "archive_1", "../x", ""):
        with pytest.raises(NotFound):
            await harness.engine.sessions.archive("s", name)


async def test_a_session_is_made_once(harness: Harness) -> None:
    await harness.engine.sessions.create("s")
    with pytest.raises(Conflict) as refused:
        await harness.engine.sessions.create("s")
    assert refused.value.code == "ALREADY_EXISTS"


async def test_reading_a_session_creates_it_only_with_auto_create(harness: Harness) -> None:
    with pytest.raises(NotFound):
        await harness.engine.sessions.get("s")
    assert await harness.engine.sessions.list() == []
    assert (await harness.engine.sessions.get("s", auto_create=True)).id == "s"


async def test_sessions_are_listed_newest_first(harness: Harness) -> None:
    for name in ("a", "b", "c"):
        await harness.append(name, "x")
        harness.clock.advance(1)
    await harness.append("a", "y")
    assert [s.id for s in await harness.engine.sessions.list()] == ["a", "c", "b"]


async def test_used_resources_are_counted_and_stored(harness: Harness) -> None:
    await harness.append("s", "x")
    assert await harness.engine.sessions.mark_used("s", contexts=["viking://resources/a.md"], skills=2) == (1, 2)
    assert await harness.engine.sessions.mark_used("s", contexts=["viking://~/memories/b.md"]) == (2, 2)


async def test_a_deleted_session_is_gone_with_all_it_held(harness: Harness) -> None:
    await harness.append("s", "the heron stood still")
    await harness.commit("s")
    await harness.settle()
    await harness.engine.sessions.delete("s")
    assert await harness.found("heron", target_uri="viking://~/sessions") == []
    with pytest.raises(NotFound):
        await harness.engine.sessions.context("s")
    with pytest.raises(NotFound):
        await harness.engine.sessions.delete("s")
    await harness.settle()
    assert (await harness.engine.usage()).messages == 0
    assert await harness.engine.check() == []


async def test_a_name_may_be_used_again_after_its_session_went(harness: Harness) -> None:
    await harness.append("s", "the heron stood still")
    await harness.engine.sessions.delete("s")
    await harness.append("s", "a new talk")
    await harness.settle()
    assert await texts(harness) == ["a new talk"]
