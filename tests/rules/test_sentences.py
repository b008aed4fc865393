"""Text is split into sentences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.rules import sentences as rule

TEXT = st.text(st.sampled_from("ab cdE.!?。！？，\n#`*[]()|-_<>~你好1 "), max_size=400)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        (
            "Dr. Smith met J. Doe at 3 p.m. on Main St. today. Then he left.",
            ["Dr. Smith met J. Doe at 3 p.m. on Main St. today.", "Then he left."],
        ),
        ("Version 3.11 is out. Use it, e.g. here.", ["Version 3.11 is out.", "Use it, e.g. here."]),
        ("今天下雨。我们不去了！好吗？", ["今天下雨。", "我们不去了！", "好吗？"]),
        ("他说：“走吧。”然后走了。", ["他说：“走吧。”", "然后走了。"]),
        ("no mark at all", ["no mark at all"]),
    ],
)
def test_a_paragraph_is_cut_at_its_sentences(text: str, found: list[str]) -> None:
    assert rule.split(text) == found


@given(TEXT)
def test_splitting_loses_nothing_but_white_space(text: str) -> None:
    assert "".join("".join(rule.split(text)).split()) == "".join(text.split())


@given(TEXT)
def test_no_sentence_is_longer_than_allowed(text: str) -> None:
    assert all(0 < len(s) <= rule.SENTENCE_CHARS_MAX for s in rule.sentences(text * 8))


def test_code_tables_headings_and_front_matter_are_no_prose() -> None:
    text = "---\ntitle: x\n---\n# Head\n\nReal words here.\n\n```\ncode. Code.\n```\n\n"
    text += "| a | b |\n|---|---|\n\n    indented. code.\n\n- An item.\n"
    assert rule.sentences(text) == ["Real words here.", "An item."]


@given(TEXT, st.integers(2, 120))
def test_a_fitted_text_fits(text: str, chars_max: int) -> None:
    assert len(rule.fit(text, chars_max)) <= chars_max


@given(st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta"]), min_size=10, max_size=60), st.integers(30, 80))
def test_a_fitted_text_is_not_cut_inside_a_word(words: list[str], chars_max: int) -> None:
    fitted = rule.fit(" ".join(words), chars_max).removesuffix("…")
    assert set(fitted.split()) <= {"alpha", "beta", "gamma", "delta"}


def test_a_long_run_of_marks_takes_no_quadratic_time() -> None:
    # Quadratic behaviour would take minutes here, not milliseconds; the suite's own timeout is the judge.
    for text in ("." * 200_000, "!?" * 100_000, "[" * 200_000, "<" * 200_000, "*" * 200_000, "_a" * 100_000):
        assert rule.split(text[: rule.SCAN_CHARS_MAX])
        rule.sentences(text)
