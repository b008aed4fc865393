"""A session's past within a budget, its archives, its counters and its end."""

from __future__ import annotations

import pytest

from recalld.domain.errors import Conflict, Invalid, NotFound
from tests.house_fixture import House, words


async def texts(house: House, budget: int = 128_000) -> list[str]:
    return [m["parts"][0]["text"] for m in (await house.r.session_context("s", token_budget=budget)).messages]


async def test_until_an_archive_is_read_its_messages_are_shown_raw(house: House) -> None:
    await house.say("s", "one", "two")
    await house.commit("s")
    await house.say("s", "three")
    assert await texts(house) == ["one", "two", "three"]
    await house.settle()
    shown = await house.r.session_context("s")
    assert [m["parts"][0]["text"] for m in shown.messages] == ["three"]
    assert shown.overview.startswith("## Session Title")


@pytest.mark.parametrize("budget", [0, 50, 120, 1_000, 128_000])
async def test_what_is_shown_fits_the_budget(house: House, budget: int) -> None:
    await house.say("s", words(100))
    await house.commit("s")
    await house.settle()
    await house.say("s", *[words(10) for _ in range(30)])
    shown = await house.r.session_context("s", token_budget=budget)
    assert shown.tokens == shown.active_tokens + shown.archive_tokens <= budget


async def test_the_newest_messages_are_the_last_to_go(house: House) -> None:
    await house.say("s", *[f"{i} {words(20)}" for i in range(10)])
    shown = await texts(house, 120)
    assert 0 < len(shown) < 10
    assert shown[-1].startswith("9 ")


async def test_a_negative_budget_is_refused(house: House) -> None:
    await house.say("s", "x")
    with pytest.raises(Invalid):
        await house.r.session_context("s", token_budget=-1)


async def test_an_archive_is_there_once_it_is_read(house: House) -> None:
    await house.say("s", "one")
    await house.commit("s")
    with pytest.raises(NotFound):
        await house.r.archive("s", "archive_001")
    await house.settle()
    assert (await house.r.archive("s", "archive_001"))[0].message_count == 1
    for name in ("archive_002", "archive_1", "../x", ""):
        with pytest.raises(NotFound):
            await house.r.archive("s", name)


async def test_a_session_is_made_once(house: House) -> None:
    await house.r.session_new("s")
    with pytest.raises(Conflict) as refused:
        await house.r.session_new("s")
    assert refused.value.code == "ALREADY_EXISTS"


async def test_asking_for_a_session_makes_none_unless_told(house: House) -> None:
    with pytest.raises(NotFound):
        await house.r.session("s")
    assert await house.r.sessions() == []
    assert (await house.r.session("s", auto_create=True)).id == "s"


async def test_sessions_are_listed_newest_first(house: House) -> None:
    for name in ("a", "b", "c"):
        await house.say(name, "x")
        house.clock.advance(1)
    await house.say("a", "y")
    assert [s.id for s in await house.r.sessions()] == ["a", "c", "b"]


async def test_what_was_used_is_counted_and_kept(house: House) -> None:
    await house.say("s", "x")
    assert await house.r.session_used("s", contexts=["viking://resources/a.md"], skills=2) == (1, 2)
    assert await house.r.session_used("s", contexts=["viking://~/memories/b.md"]) == (2, 2)


async def test_a_deleted_session_is_gone_with_all_it_held(house: House) -> None:
    await house.say("s", "the heron stood still")
    await house.commit("s")
    await house.settle()
    await house.r.session_delete("s")
    assert await house.found("heron", target_uri="viking://~/sessions") == []
    with pytest.raises(NotFound):
        await house.r.session_context("s")
    with pytest.raises(NotFound):
        await house.r.session_delete("s")
    await house.settle()
    assert (await house.r.usage()).messages == 0
    assert await house.r.check() == []


async def test_a_name_may_be_used_again_after_its_session_went(house: House) -> None:
    await house.say("s", "the heron stood still")
    await house.r.session_delete("s")
    await house.say("s", "a new talk")
    await house.settle()
    assert await texts(house) == ["a new talk"]
