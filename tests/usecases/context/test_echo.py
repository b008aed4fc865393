"""Recalled text in a message is not ingested again as the user's own words."""

from __future__ import annotations

from tests.harness import Harness

TEA = "viking://user/default/memories/preferences/tea.md"


async def digest_text(harness: Harness) -> str:
    await harness.write(TEA, "Ana prefers zanzibar oolong since 3 March 2024.")
    await harness.settle()
    block = await harness.engine.assemble("which oolong does Ana prefer", rewrite="on")
    assert "zanzibar" in block.rendered
    assert "zanzibar" in block.digest
    return f"<context>\n{block.rendered}\n{block.digest}\n</context>\nI moved to Lisbon on 4 May 2024."


async def test_a_quotation_is_not_found_as_talk(harness: Harness) -> None:
    await harness.append("s", await digest_text(harness))
    assert await harness.found("zanzibar oolong") == [TEA]
    (message,) = await harness.found("Lisbon")
    assert "/sessions/s/messages/" in message


async def test_a_hit_shows_a_messages_own_words_however_much_it_quotes(harness: Harness) -> None:
    text = (await digest_text(harness)).replace("zanzibar", "zanzibar " * 900, 1)
    await harness.append("s", text)
    (hit,) = (await harness.engine.find("Lisbon")).hits
    assert "Lisbon" in hit.abstract
    assert "zanzibar" not in hit.abstract


async def test_a_quotation_makes_no_memory(harness: Harness) -> None:
    await harness.append("s", await digest_text(harness))
    await harness.commit("s")
    await harness.settle()
    memories = await harness.texts_below("viking://~/memories/events")
    assert any("Lisbon" in text for text in memories.values())
    assert not any("zanzibar" in text for text in memories.values())
    (archive,) = await harness.engine.sessions.archives("s")
    assert "zanzibar" not in archive.abstract + archive.overview


async def test_the_message_itself_is_kept_as_it_came(harness: Harness) -> None:
    text = await digest_text(harness)
    await harness.append("s", text)
    context = await harness.engine.sessions.context("s")
    assert context.messages[0]["parts"][0]["text"] == text
