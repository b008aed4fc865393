"""Odd bytes and characters in files are decoded completely."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recalld.adapters.sqlite.search import change_feed
from recalld.domain.errors import Invalid
from recalld.rules import tokens
from recalld.rules.unicode_scripts import former_letters_of
from tests.harness import Harness, plant


async def test_texts_in_old_encodings_come_in_as_they_were_meant(harness: Harness, tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "ru.txt": "Договор поставки подписан в марте.".encode("koi8-r"),
        "ja.txt": "納品書は三月に署名されました。担当者は高橋です。".encode("euc-jp"),
        "ko.txt": "납품 계약은 삼월에 서명되었습니다.".encode("cp949"),
    }
    task = await harness.add(plant(tmp_path / "src", files))
    assert len((task.result or {})["warnings"]) == 3
    assert (
        await harness.engine.read("viking://resources/src/ja.txt") == "納品書は三月に署名されました。担当者は高橋です。"
    )
    assert (await harness.found("Договор"))[0] == "viking://resources/src/ru.txt"


async def test_a_text_with_a_nul_is_read_and_found(harness: Harness) -> None:
    await harness.write("viking://resources/nul.md", "zebra before\x00after crossing")
    assert await harness.engine.read("viking://resources/nul.md") == "zebra before\x00after crossing"
    assert await harness.found("zebra crossing") == ["viking://resources/nul.md"]


async def test_bytes_that_are_no_text_are_still_not_shown_as_text(harness: Harness) -> None:
    await harness.write("viking://resources/a.bin", bytes(range(256)) * 4)
    with pytest.raises(Invalid, match="not text"):
        await harness.engine.read("viking://resources/a.bin")


async def test_a_large_binary_file_is_not_indexed_as_text(harness: Harness) -> None:
    await harness.write(
        "viking://resources/report.pdf", b"%PDF-1.7\n\xff\xfe\x00" + b"zebra crossing \x00\x80\x90" * 9_000
    )
    assert (await harness.engine.usage()).chunks <= 2
    assert await harness.found("zebra crossing") == []


async def test_a_line_of_messages_jsonl_is_whole_whatever_a_message_holds(harness: Harness) -> None:
    await harness.append("s", "pasted\u2028from a page\x85and a terminal\x0c", "ok")
    line = await harness.engine.read("viking://~/sessions/s/messages.jsonl", offset=0, limit=1)
    assert json.loads(line)["parts"][0]["text"] == "pasted\u2028from a page\x85and a terminal\x0c"


async def test_grep_counts_lines_as_read_does(harness: Harness) -> None:
    await harness.write("viking://resources/a.txt", "one\u2028still one\x0cstill\ntwo zebra\n")
    report = await harness.engine.grep("viking://resources", "zebra")
    assert [match.line for match in report.matches] == [2]


async def test_a_message_with_an_unknown_time_is_kept_and_named(harness: Harness) -> None:
    receipt = await harness.append("s", {"role": "user", "content": "blue door", "created_at": "yesterday"})
    assert receipt.unread_times == ("yesterday",)
    assert (await harness.found("blue door"))[0].startswith("viking://user/default/sessions/s")


async def test_a_picture_in_a_message_costs_no_tokens_and_hides_no_words(harness: Harness) -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K" * 40_000}}
    words = {"type": "text", "text": "This chart shows the tidal turbine output."}
    receipt = await harness.append("s", {"role": "user", "content": [picture, words]})
    assert receipt.pending_tokens < 100
    (hit,) = (await harness.engine.find("tidal turbine output")).hits
    assert "iVBOR" not in hit.abstract


async def test_memories_lie_under_the_day_of_their_own_stamp(harness: Harness) -> None:
    text = "I signed the lease on Elm Street with Greta today."
    await harness.append("s", {"role": "user", "content": text, "created_at": "2026-05-01T02:00:00+08:00"})
    await harness.commit("s")
    await harness.settle()
    assert any(path.startswith("events/2026/05/01/") for path in await harness.texts_below("viking://~/memories"))


@pytest.mark.parametrize("session", ["会话一", "séance", "संवाद", "разговор-1"])
async def test_a_session_may_be_named_in_any_script(harness: Harness, session: str) -> None:
    await harness.append(session, "The blue door is on Elm Street.")
    assert (await harness.found("blue door"))[0].startswith(f"viking://user/default/sessions/{session}")
    assert (await harness.engine.sessions.get(session)).id == session


@pytest.mark.parametrize(
    "session", ["a b", "a/b", "", "..", "a\u200bb", "se\u0301ance", "s" * 129, "会" * 100, "\ud83d"]
)
async def test_invalid_ids_are_refused_with_a_message(harness: Harness, session: str) -> None:
    with pytest.raises(Invalid, match="is not an identifier"):
        await harness.append(session, "x")


async def test_keys_in_messages_are_in_no_memory_and_no_summary(harness: Harness) -> None:
    keys = (
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_0123456789abcdefghijABCDEFGHIJ012345",
        "sk-proj-Ab3dEf6hIj9kLmN0pQrStUvWxYz12345",
    )
    for key in keys:
        await harness.append(
            "s", f"I always use my key {key} for deployments in Lisbon since May 2020, remember that please"
        )
    await harness.commit("s")
    await harness.settle()
    memories = await harness.texts_below("viking://~/memories")
    assert any("deployments in Lisbon" in text for text in memories.values())
    derived = [*memories.values(), *[e.node.abstract for e in await harness.engine.tree("viking://~", depth=12)]]
    archive = await harness.texts_below("viking://~/sessions/s/history/archive_001")
    derived += [text for path, text in archive.items() if not path.endswith("messages.jsonl")]
    assert [key for key in keys if any(key in text for text in derived)] == []


async def test_the_beginning_and_the_end_of_a_long_message_are_found_whatever_a_page_holds(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_feed, "PAGE_ROWS", 3)
    await harness.append("s", "zebra " + "word " * 2_000 + "heron")
    await harness.write("viking://resources/a.md", "ibex " + "other " * 3_000 + "okapi")
    for word in ("zebra", "heron", "ibex", "okapi"):
        place = "/a.md" if word in {"ibex", "okapi"} else "/sessions/s/messages/"
        assert place in (await harness.found(word) or ["nothing"])[0], word


async def test_an_export_in_ascii_is_found_and_grepped_as_what_it_says(harness: Harness) -> None:
    conversations = json.dumps([{"title": "旅行计划", "parts": ["我对核桃过敏，十月去里斯本"]}])
    await harness.write("viking://resources/conversations.json", conversations)
    assert await harness.found("核桃过敏") == ["viking://resources/conversations.json"]
    (match,) = (await harness.engine.grep("viking://resources", "核桃过敏")).matches
    assert (match.line, "我对核桃过敏" in match.content) == (1, True)
    assert len((await harness.engine.grep("viking://resources", r"u6838")).matches) == 1


async def test_a_decision_late_in_a_long_message_becomes_a_memory(harness: Harness) -> None:
    filler = "The weather was mild and the road was long. " * 120
    await harness.append(
        "s", filler + "I decided to buy the red tractor from Olaf in Bergen for 9000 euros on 4 May 2026."
    )
    await harness.commit("s")
    await harness.settle()
    assert any("red tractor" in text for text in (await harness.texts_below("viking://~/memories")).values())


async def test_chunks_indexed_before_letters_were_folded_are_still_found(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(tokens, "letters_of", former_letters_of)
        tokens.word_terms.cache_clear()
        await harness.write("viking://resources/old.md", "Umowę podpisał Łukasz.")
    tokens.word_terms.cache_clear()
    await harness.write("viking://resources/new.md", "Umowę wysłał Łukasz.")
    assert sorted(await harness.found("Łukasz")) == ["viking://resources/new.md", "viking://resources/old.md"]
