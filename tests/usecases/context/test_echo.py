"""What was recalled to somebody is not captured again as if they had said it."""

from __future__ import annotations

from tests.house_fixture import House

TEA = "viking://user/default/memories/preferences/tea.md"


async def told(house: House) -> str:
    await house.write(TEA, "Ana prefers zanzibar oolong since 3 March 2024.")
    await house.settle()
    block = await house.r.assemble("which oolong does Ana prefer", rewrite="on")
    assert "zanzibar" in block.rendered
    assert "zanzibar" in block.digest
    return f"<context>\n{block.rendered}\n{block.digest}\n</context>\nI moved to Lisbon on 4 May 2024."


async def test_a_quotation_is_not_found_as_talk(house: House) -> None:
    await house.say("s", await told(house))
    assert await house.found("zanzibar oolong") == [TEA]
    (message,) = await house.found("Lisbon")
    assert "/sessions/s/messages/" in message


async def test_a_hit_shows_a_messages_own_words_however_much_it_quotes(house: House) -> None:
    said = (await told(house)).replace("zanzibar", "zanzibar " * 900, 1)
    await house.say("s", said)
    (hit,) = (await house.r.find("Lisbon")).hits
    assert "Lisbon" in hit.abstract
    assert "zanzibar" not in hit.abstract


async def test_a_quotation_makes_no_memory(house: House) -> None:
    await house.say("s", await told(house))
    await house.commit("s")
    await house.settle()
    memories = await house.texts_below("viking://~/memories/events")
    assert any("Lisbon" in text for text in memories.values())
    assert not any("zanzibar" in text for text in memories.values())
    (archive,) = await house.r.archives("s")
    assert "zanzibar" not in archive.abstract + archive.overview


async def test_the_message_itself_is_kept_as_it_came(house: House) -> None:
    said = await told(house)
    await house.say("s", said)
    context = await house.r.session_context("s")
    assert context.messages[0]["parts"][0]["text"] == said
