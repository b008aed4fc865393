"""The questions of the recall guard name entries that exist, in words that their titles and headings do not use."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from bench.doc_questions import stems
from bench.doc_trees import headings
from tests.recall_guard import FOLDER, SUITES, UNRELATED, unrelated

CASES = [case for suite in SUITES.values() for case in suite.cases]
SESSIONS = {
    session["id"]: session
    for session in json.loads((FOLDER / "conversation.json").read_text(encoding="utf-8"))["sessions"]
}


def titles(kind: str, path: str) -> str:
    """Return the name, title and headings of an entry. A message has none; its session's id and title stand for them.

    Raises ``KeyError`` or ``OSError`` if there is no such entry.
    """
    if kind == "conversation":
        session, _, message = path.partition("/messages/")
        assert message.removesuffix(".md") in {one["id"] for one in SESSIONS[session]["messages"]}, path
        return f"{session} {SESSIONS[session]['title']}"
    file = FOLDER / kind / (f"{path}/SKILL.md" if kind == "skills" else path)
    return " ".join([path.removesuffix(".md"), *headings(file.read_text(encoding="utf-8"))])


@pytest.mark.parametrize("kind", SUITES)
def test_a_question_shares_no_content_word_with_its_targets_titles(kind: str) -> None:
    suite = SUITES[kind]
    shared = {
        (case.id, uri): sorted(words)
        for case in suite.cases
        for uri in case.expect
        if (words := stems(case.question) & stems(titles(kind, uri.removeprefix(f"{suite.below}/"))))
    }
    assert shared == {}


@pytest.mark.parametrize(
    ("kind", "language", "least"),
    [
        ("pages", "en", 24),
        ("notes", "zh", 10),
        ("conversation", "en", 10),
        ("conversation", "zh", 5),
        ("skills", "en", 12),
    ],
)
def test_a_kind_has_enough_questions_in_its_language(kind: str, language: str, least: int) -> None:
    chosen = [case for case in SUITES[kind].cases if language in case.tags]
    assert len(chosen) >= least
    assert {bool(re.search(r"[\u3400-\u9fff]", case.question)) for case in chosen} == {language == "zh"}


def test_ids_and_questions_are_unique() -> None:
    assert max(Counter(case.id for case in CASES).values()) == 1
    assert max(Counter(case.question for case in CASES).values()) == 1


def test_unrelated_texts_are_ten_times_the_material() -> None:
    files = sum(path.is_file() for folder in ("pages", "notes", "skills") for path in (FOLDER / folder).rglob("*"))
    assert 10 * (files + sum(len(session["messages"]) for session in SESSIONS.values())) <= UNRELATED


def test_unrelated_texts_are_distinct_and_the_same_in_every_run() -> None:
    assert len(set(unrelated(UNRELATED))) == UNRELATED
    assert unrelated(9) == unrelated(9)
