"""The passage of a hit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.query import Passage
from recalld.rules.passages import PASSAGE_CHARS_MAX, fit_weights, passage_of
from recalld.rules.tokens import occurrences, query_terms, terms

TEXT = st.text(alphabet=st.sampled_from("ab Zé9_'.!?\n\r\t#-|文字。か\u0e01\u0e34`=\u00a0\u2019"), max_size=900)
GUIDE = """# Guide

## Retries

The client retries. It waits between attempts, e.g. a second. Long documents become a directory of sections, which
are split at headings.

## Other
Nothing of interest.
"""


def passage(text: str, question: str, **more: object) -> Passage:
    """The passage of a text that has one."""
    found = passage_of(text, dict.fromkeys(query_terms(question), 1.0), **more)  # type: ignore[arg-type]
    assert found is not None
    return found


def marked(found: Passage) -> list[str]:
    return [found.text[start:end] for start, end in found.marks]


@given(TEXT, TEXT)
def test_a_passage_is_a_part_of_the_text_but_for_white_space(text: str, question: str) -> None:
    found = passage_of(text, dict.fromkeys(query_terms(question), 1.0))
    if found is None:
        assert not text.split()
    else:
        assert found.text in " ".join(text.split())
        assert 0 < len(found.text) <= PASSAGE_CHARS_MAX


@given(TEXT, TEXT)
def test_marks_lie_inside_in_order_and_apart(text: str, question: str) -> None:
    found = passage_of(text, dict.fromkeys(query_terms(question), 1.0)) or Passage("")
    places = [place for mark in found.marks for place in mark]
    assert places == sorted(set(places))
    assert all(0 <= place <= len(found.text) for place in places)
    assert not any(" " in word for word in marked(found))


@given(TEXT, TEXT)
def test_the_lines_of_a_passage_contain_its_words(before: str, text: str) -> None:
    found = passage_of(text, {"a": 1.0}, before=before, lines=True)
    if found is not None:
        lines = (before + text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        part = " ".join(" ".join(lines[found.line_start - 1 : found.line_end]).split())
        assert found.text in part or before.endswith("\r")  # a line end may lie on both sides of the border


@given(TEXT)
def test_every_occurrence_stands_for_terms_of_the_index(text: str) -> None:
    assert {term for _, _, each in occurrences(text) for term in each} >= {
        term for term in terms(text) if not term.isdigit()
    }


def test_the_sentence_with_most_of_the_question_is_shown_with_the_ones_around_it() -> None:
    found = passage(GUIDE, "how are long documents split", lines=True)
    assert found.text.startswith("The client retries. It waits")
    assert found.text.endswith("Long documents become a directory of sections, which are split at headings.")
    assert marked(found) == ["Long", "documents", "split"]
    assert (found.headings, found.line_start, found.line_end) == (("Guide", "Retries"), 5, 6)


def test_a_rare_word_weighs_more_than_several_common_ones() -> None:
    text = "Server and client and file. " + "x " * 250 + "The quorum decides."
    found = passage_of(text, {"server": 0.1, "client": 0.1, "file": 0.1, "quorum": 5.0})
    assert found is not None
    assert "quorum decides" in found.text


def test_without_a_word_of_the_question_it_is_the_beginning() -> None:
    found = passage(GUIDE, "zebra", lines=True)
    assert found.text.startswith("The client retries.")
    assert found.marks == ()


def test_a_heading_speaks_for_the_sentence_below_it() -> None:
    text = "# Backups\n\nRun it daily.\n\n" + "Filler words here. " * 30 + "\n\n# Locks\n\nTake one first.\n"
    assert passage(text, "locks").text == "Take one first."


@pytest.mark.parametrize(
    ("text", "question", "words"),
    [
        ("退款政策说明。客户可以申请退款。", "退款申请", ["退款", "申请退款"]),
        ("He cancels his subscriptions.", "cancel subscription", ["cancels", "subscriptions"]),
        ("Call retryAfterSeconds here.", "retry after seconds", ["retryAfterSeconds"]),
        ("Le café est ouvert.", "cafe", ["café"]),
    ],
)
def test_words_are_marked_as_the_index_matches_them(text: str, question: str, words: list[str]) -> None:
    assert marked(passage(text, question)) == words


def test_a_sentence_too_long_to_show_is_cut_around_its_words() -> None:
    found = passage("word " * 300 + "needle in the hay " + "word " * 300, "needle")
    assert marked(found) == ["needle"]
    assert found.text.startswith("word word")


def test_a_number_sign_in_a_fence_is_no_heading() -> None:
    text = "# Top\n\n```sh\n# install\npip install x\n```\n\nThe needle.\n"
    assert passage(text, "needle", lines=True).headings == ("Top",)


def test_headings_above_the_file_come_first_and_once() -> None:
    found = passage("# Guide\n\nThe needle.", "needle", headings=("Book", "Guide"), lines=True)
    assert found.headings == ("Book", "Guide")


def test_a_session_that_expands_a_question_marks_only_the_questions_own_words() -> None:
    assert fit_weights({"tea": 1.0, "boat": 2.0}, ("tea",)) == {"tea": 1.0}
    assert fit_weights({"boat": 2.0}, ()) == {"boat": 2.0}


@pytest.mark.parametrize("mark", ["-", "*", ">", "|"])
def test_a_passage_does_not_begin_with_the_mark_of_its_line(mark: str) -> None:
    assert passage(f"Filler.\n{'x ' * 120}\n\n{mark} The needle is here.\n", "needle").text == "The needle is here."
