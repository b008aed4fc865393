"""Facts about standing instructions and preferences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.rules.standing import INSTRUCTION, PREFERENCE, is_request, standing_traits


@pytest.mark.parametrize(
    "text",
    [
        "Always cite sources when I ask about health.", "From now on, answer in metric units", "When I ask for code, use Rust.",
        "以后请用表格回答", "从现在起不要用表情符号", "Bitte immer auf Deutsch antworten", "Ab jetzt nur kurze Antworten",
        "A partir de ahora usa euros", "Désormais, réponds en français", "今後は敬語で答えてください",
    ],
)  # fmt: skip
def test_an_instruction_that_holds_from_now_on_is_recognised(text: str) -> None:
    assert standing_traits(text) & INSTRUCTION


@pytest.mark.parametrize(
    "text",
    [
        "I prefer trains to planes.", "Well, I'd rather cook at home", "I'm allergic to nuts", "我更喜欢喝茶", "我对花生过敏",
        "Ich bevorzuge kurze Texte", "Prefiero el tren", "Je préfère le thé", "コーヒーが苦手です",
    ],
)  # fmt: skip
def test_a_preference_is_recognised(text: str) -> None:
    assert standing_traits(text) & PREFERENCE


@pytest.mark.parametrize(
    "text", ["What is always true?", "We went to the lake.", "他昨天买了一辆车", "Das Haus ist alt.", ""]
)
def test_other_text_has_no_traits(text: str) -> None:
    assert standing_traits(text) == 0


@pytest.mark.parametrize(
    ("query", "request_"),
    [
        ("Suggest a dinner for Friday", True), ("Can you help me plan the trip?", True), ("帮我推荐一家餐厅", True),
        ("How many books did I mention?", False), ("When did I start the course?", False), ("我什么时候开始学琴的？", False),
        ("Wie viele Tage bleiben noch?", False), ("¿Cuándo empecé el curso?", False), ("Combien de livres ai-je lus ?", False),
        ("いつ始めましたか", False), ("List the steps in the order I brought them up", False),
    ],
)  # fmt: skip
def test_a_query_about_a_fact_is_no_request(query: str, request_: bool) -> None:
    assert is_request(query) is request_


@given(st.text(max_size=400))
def test_any_text_has_an_answer(text: str) -> None:
    assert 0 <= standing_traits(text) <= INSTRUCTION | PREFERENCE
    assert is_request(text) in (True, False)
