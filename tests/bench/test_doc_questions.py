"""Questions about documentation trees keep their distance from the documents' own headings."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from bench.doc_questions import HALVES, Case, expected_paths, files, half, load, stems, targets
from bench.doc_trees import manifest

CASES = [(path.stem, case) for path in files() for case in load(path)]
TREES = {tree.name: tree for tree in manifest()}
KINDS = {"need", "symptom", "concept", "comparison"}
HEADINGS = targets()


@pytest.mark.parametrize(("file", "case"), CASES, ids=[case.id for _, case in CASES])
def test_a_question_shares_no_content_word_with_its_targets_headings(file: str, case: Case) -> None:
    shared = {path: stems(case.question) & HEADINGS[path] for path in expected_paths([case])}
    assert {path: words for path, words in shared.items() if words} == {}


@pytest.mark.parametrize(("file", "case"), CASES, ids=[case.id for _, case in CASES])
def test_a_question_is_tagged_and_lies_in_its_half(file: str, case: Case) -> None:
    tree, language, kind = case.tags
    assert tree in TREES
    assert kind in KINDS
    assert all(path.startswith(f"{tree}/") for path in case.expect)
    assert 1 <= len(case.expect) <= 3
    assert file == (half(case.id) if language == TREES[tree].language else f"cross_{half(case.id)}")


def test_ids_and_questions_are_unique() -> None:
    assert max(Counter(case.id for _, case in CASES).values()) == 1
    assert max(Counter(case.question.lower() for _, case in CASES).values()) == 1


def test_a_file_is_the_first_target_of_one_question_at_most() -> None:
    first = Counter(case.expect[0] for file, case in CASES if not file.startswith("cross_"))
    assert [path for path, count in first.items() if count > 1] == []


def test_each_half_covers_every_tree() -> None:
    for name in HALVES:
        assert {case.tags[0] for file, case in CASES if file == name} == set(TREES)


def test_the_table_of_targets_has_exactly_the_expected_files() -> None:
    assert sorted(HEADINGS) == expected_paths(case for _, case in CASES)


def test_a_chinese_question_is_in_chinese() -> None:
    for _, case in CASES:
        assert bool(re.search(r"[\u3400-\u9fff]", case.question)) == (case.tags[1] == "zh"), case.id


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("How do I use the settings?", {"set", "setting"}),
        ("fileUpload_size", {"file", "upload", "size"}),
        ("怎么上传文件", {"么上", "上传", "传文", "文件"}),
        ("How are you", set()),
    ],
)
def test_stems_leave_out_stop_words(text: str, expected: set[str]) -> None:
    assert expected <= stems(text)
    assert not stems("how do I use this 怎么 如何")
