"""Statements of facts are distinguished from small talk."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.session import Message
from recalld.rules import fact_sentences
from recalld.rules.fact_sentences import (
    DECISIVE,
    day,
    decisive,
    moment,
    quote,
    speaker,
    speakers,
    statements,
    statements_of,
    windows,
)


def msg(text: str, *, role: str = "user", peer: str = "", at: float = 1_683_554_160.0, id: str = "m1") -> Message:
    return Message(id, role, (), text, at=at, peer_id=peer)


@pytest.mark.parametrize(
    "sentence",
    [
        "I am allergic to peanuts since 2019.",
        "We decided to move the launch to 3 June.",
        "I went to a support group yesterday and it was powerful.",
        "Caroline started a new job at Google last week.",
        "My favourite language is Python and I always use tabs.",
        "我去年搬到上海，在一家医院工作。",
        "我们决定下周三发布新版本。",
        "我对花生过敏，从不吃坚果，记住这三个月都要避开。",
    ],
)
def test_facts_are_decisive(sentence: str) -> None:
    assert decisive(sentence) >= DECISIVE


@pytest.mark.parametrize(
    "sentence",
    [
        "Hi there, good to see you!",
        "Thanks so much for your help today!",
        "Sounds good.",
        "What did you do last Saturday with Caroline?",
        "Can you write a function that adds 2 numbers for me.",
        "x = foo(bar, 12); return {'a': 1}",
        "The weather is a thing that people talk about.",
        "你好，今天怎么样？",
        "谢谢你的帮助！",
        "帮我写一个2024年的计划。",
    ],
)
def test_chatter_questions_requests_and_code_are_not(sentence: str) -> None:
    assert decisive(sentence) < DECISIVE


@given(st.text(max_size=600))
def test_any_words_have_a_score(text: str) -> None:
    assert decisive(text) >= -0.5
    assert all(s.score >= 0 for s in statements(msg(text)))


def test_an_assistant_must_say_more_than_a_user_to_be_quoted() -> None:
    text = "I started the migration yesterday."
    assert statements(msg(text))[0].score > statements(msg(text, role="assistant"))[0].score


def test_a_quotation_names_speaker_day_and_message() -> None:
    assert quote(msg("x", peer="ana", id="msg_7"), "I moved.") == "> I moved. — ana, 2023-05-08, msg_7"


def test_speakers_are_peers_before_roles_in_order_of_first_words() -> None:
    assert speakers([msg("a", peer="bo"), msg("b"), msg("c", peer="bo")]) == ["bo", "user"]
    assert speaker(msg("a")) == "user"


@given(st.floats())
def test_every_time_has_a_day(at: float) -> None:
    assert len(day(msg("x", at=at))) == 10
    assert moment(msg("x", at=at)).tzinfo is not None


FACT = "I decided to buy the red tractor from Olaf in Bergen for 9000 euros on 4 May 2026."


@pytest.mark.parametrize(
    "filler", ["The weather was mild and the road was long. ", "天气很好，我们走了很远。", "x" * 40 + "\n", "- item\n"]
)
@pytest.mark.parametrize("times", [1, 120, 2_000])
def test_a_fact_is_found_wherever_it_stands_in_a_long_message(filler: str, times: int) -> None:
    quoted = [s.text for s in statements(msg(filler * times + "\n\n" + FACT)) if s.score >= DECISIVE]
    assert any("red tractor" in text for text in quoted)


def test_code_that_runs_over_several_windows_is_not_read_as_prose() -> None:
    text = "```\n" + "I moved to Lisbon in May 2020 with Ana.\n" * 400 + "```\nThanks!"
    assert [s.text for s in statements(msg(text)) if s.score >= DECISIVE] == []


@given(st.text(st.sampled_from("ab. \n。"), max_size=400), st.integers(4, 40))
def test_windows_hold_all_of_a_text_in_order(text: str, size: int) -> None:
    assert "".join(windows(text, size)) == text
    assert all(len(window) <= size for window in windows(text, size))


def test_an_archive_of_any_size_ends_and_every_message_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fact_sentences, "WINDOWS_MAX", 4)
    long = "The weather was mild and the road was long. " * 1_000
    read = [len(found) for _, found in statements_of([msg(long), msg(long), msg(FACT)])]
    assert read[0] > read[1] >= read[2] == 1
