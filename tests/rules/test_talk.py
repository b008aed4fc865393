"""Statements are told from chatter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.session import Message
from recalld.rules.talk import DECISIVE, day, decisive, moment, quote, speaker, speakers, statements


def said(text: str, *, role: str = "user", peer: str = "", at: float = 1_683_554_160.0, id: str = "m1") -> Message:
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
    assert all(s.score >= 0 for s in statements(said(text)))


def test_an_assistant_must_say_more_than_a_user_to_be_quoted() -> None:
    text = "I started the migration yesterday."
    assert statements(said(text))[0].score > statements(said(text, role="assistant"))[0].score


def test_a_quotation_names_speaker_day_and_message() -> None:
    assert quote(said("x", peer="ana", id="msg_7"), "I moved.") == "> I moved. — ana, 2023-05-08, msg_7"


def test_speakers_are_peers_before_roles_in_order_of_first_words() -> None:
    assert speakers([said("a", peer="bo"), said("b"), said("c", peer="bo")]) == ["bo", "user"]
    assert speaker(said("a")) == "user"


@given(st.floats())
def test_every_time_has_a_day(at: float) -> None:
    assert len(day(said("x", at=at))) == 10
    assert moment(said("x", at=at)).tzinfo is not None


def test_a_message_of_a_megabyte_is_read_at_its_beginning_only() -> None:
    assert len(statements(said("I moved to Lisbon in May 2020. " * 40_000))) <= 40
