"""Appending: in order, durable and searchable on return, without duplicates or loss."""

from __future__ import annotations

import asyncio

import pytest

from recalld.domain.errors import Invalid
from recalld.domain.session import MESSAGE_BYTES_MAX
from tests.harness import Harness, words


async def stored_texts(harness: Harness, session: str = "s") -> list[str]:
    live = await harness.ports.ledger.tenant(harness.engine.caller).messages(session, archive=0)
    return [m.text for m in live]


async def test_a_message_is_found_by_the_next_find(harness: Harness) -> None:
    ids = (await harness.append("s", "the heron stood still")).message_ids
    assert await harness.found("heron") == [f"viking://user/default/sessions/s/messages/{ids[0]}.md"]


async def test_messages_keep_the_order_they_arrived_in(harness: Harness) -> None:
    await harness.append("s", *[f"number {i}" for i in range(50)])
    await harness.append("s", "last")
    assert await stored_texts(harness) == [*[f"number {i}" for i in range(50)], "last"]


async def test_equal_messages_are_separate(harness: Harness) -> None:
    assert (await harness.append("s", "yes", "yes")).added == 2
    assert (await harness.append("s", "yes")).message_count == 3


async def test_a_repeated_idempotency_key_adds_nothing(harness: Harness) -> None:
    first = await harness.append("s", "yes", "yes", idempotency_key="k")
    again = await harness.append("s", "yes", "yes", idempotency_key="k")
    assert (first.added, again.added, again.message_ids) == (2, 0, first.message_ids)


async def test_a_repeated_id_adds_nothing_even_beside_new_ones(harness: Harness) -> None:
    one = {"role": "user", "content": "one", "id": "m-1"}
    await harness.append("s", one)
    assert (await harness.append("s", one, "two")).added == 1
    assert await stored_texts(harness) == ["one", "two"]


async def test_the_same_id_in_another_session_is_another_message(harness: Harness) -> None:
    one = {"role": "user", "content": "one", "id": "m-1"}
    assert [(await harness.append(s, one)).added for s in ("s", "t")] == [1, 1]


async def test_ten_appends_at_once_all_arrive(harness: Harness) -> None:
    await asyncio.gather(*(harness.append("s", f"a{i}", f"b{i}") for i in range(10)))
    texts = await stored_texts(harness)
    assert sorted(texts) == sorted([f"a{i}" for i in range(10)] + [f"b{i}" for i in range(10)])
    assert all(texts.index(f"b{i}") == texts.index(f"a{i}") + 1 for i in range(10))


@pytest.mark.parametrize(
    "stamp",
    ["2024-05-08", "2024-05-08T10:00:00", "2024-05-08T10:00:00Z", "1970-01-01", "9999-12-31T23:59:59+14:00", "yesterday",
     "0001-01-01T00:00:00+14:00", "2024-13-45", "1715169600", "", None],
)  # fmt: skip
async def test_no_date_reorders_or_refuses_a_message(harness: Harness, stamp: str | None) -> None:
    await harness.append("s", "first")
    await harness.append("s", {"role": "user", "content": "second", "created_at": stamp}, "third")
    assert await stored_texts(harness) == ["first", "second", "third"]
    assert "second" in (await harness.engine.find("second")).hits[0].abstract


async def test_a_client_sees_its_own_date_again(harness: Harness) -> None:
    await harness.append("s", {"role": "user", "content": "x", "created_at": "2024-05-08"})
    assert '"created_at": "2024-05-08"' in await harness.engine.read("viking://~/sessions/s/messages.jsonl")


async def test_a_megabyte_is_one_findable_message(harness: Harness) -> None:
    text = words(170_000) + " quicksilver " + words(2_000)
    assert len(text) > 1_000_000
    ids = (await harness.append("s", text)).message_ids
    assert await harness.found("quicksilver") == [f"viking://user/default/sessions/s/messages/{ids[0]}.md"]


async def test_a_message_beyond_its_limit_is_refused_whole(harness: Harness) -> None:
    await harness.append("s", "one")
    before = await harness.state()
    with pytest.raises(Invalid) as refused:
        await harness.append("s", "two", "x" * (MESSAGE_BYTES_MAX + 1))
    assert (refused.value.code, await harness.state()) == ("RESOURCE_EXHAUSTED", before)


@pytest.mark.parametrize(
    "message",
    [{}, {"role": "user"}, {"role": "", "content": "x"}, {"role": 7, "content": "x"}, {"role": "user", "content": 7},
     {"role": "user", "parts": []}, {"role": "user", "parts": ["x"]}, {"role": "user", "content": "x", "id": "../up"},
     {"role": "user", "content": "x", "peer_id": "a/b"}, {"role": "user", "content": "x", "id": 7},
     {"role": "user", "parts": "text"}, {"role": "user", "parts": 7},
     {"role": "user", "parts": [{"type": "image_url"}]}, {"role": "user", "content": "x", "source_message_ids": 7}],
)  # fmt: skip
async def test_invalid_messages_are_refused_and_create_no_session(harness: Harness, message: dict[str, object]) -> None:
    with pytest.raises(Invalid) as refused:
        await harness.append("s", message)
    assert (bool(refused.value.remedy), await harness.engine.sessions.list()) == (True, [])


@pytest.mark.parametrize("count", [0, 101])
async def test_a_call_carries_one_to_a_hundred(harness: Harness, count: int) -> None:
    with pytest.raises(Invalid):
        await harness.append("s", *["x"] * count)


@pytest.mark.parametrize("session", ["", "a/b", "..", "x" * 129, "a b", "a\x00b", "s\u202e"])
async def test_a_session_is_named_by_one_plain_segment(harness: Harness, session: str) -> None:
    with pytest.raises(Invalid):
        await harness.append(session, "x")


async def test_a_lone_surrogate_is_kept_as_something_readable(harness: Harness) -> None:
    await harness.append("s", "half \ud83d of a smile")
    assert await stored_texts(harness) == ["half \ufffd of a smile"]


async def test_parts_of_every_kind_are_kept(harness: Harness) -> None:
    parts = [
        {"type": "text", "text": "see this"},
        {"type": "context", "uri": "viking://~/memories/a.md", "abstract": "about a heron"},
        {"type": "tool", "tool_name": "grep", "tool_input": {"q": "stork"}, "tool_output": "three crows"},
        {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}},
        {"type": "hologram", "text": "unknown but kept"},
    ]
    await harness.append("s", {"role": "assistant", "parts": parts})
    for word in ("heron", "stork", "crows", "unknown"):
        assert len(await harness.found(word)) == 1
    assert "viking://user/default/memories/a.md" in await harness.engine.read("viking://~/sessions/s/messages.jsonl")


async def test_a_users_tool_results_are_a_message_each(harness: Harness) -> None:
    parts = [{"type": "tool", "tool_name": "t", "tool_output": str(i)} for i in range(3)]
    assert (await harness.append("s", {"role": "user", "parts": parts})).added == 3


async def test_an_empty_message_is_a_message(harness: Harness) -> None:
    assert (await harness.append("s", "")).message_count == 1
    assert await harness.engine.check() == []
