"""Words that may be another word misspelt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.rules.spelling import (
    LETTERS_MIN,
    SIMILAR_MAX,
    TWICE_MIN,
    correct_prefix,
    may_be_misspelt,
    similar_words,
)

_WORDS = st.text("abcd", min_size=LETTERS_MIN, max_size=10)


def distance(first: str, second: str) -> int:
    """Optimal string alignment, by its table."""
    rows = [[i + j if not i * j else 0 for j in range(len(second) + 1)] for i in range(len(first) + 1)]
    for i in range(1, len(first) + 1):
        for j in range(1, len(second) + 1):
            rows[i][j] = min(
                rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (first[i - 1] != second[j - 1])
            )
            if i > 1 and j > 1 and first[i - 2 : i] == second[j - 2 : j][::-1]:
                rows[i][j] = min(rows[i][j], rows[i - 2][j - 2] + 1)
    return rows[-1][-1]


@given(_WORDS, st.sets(_WORDS, max_size=SIMILAR_MAX))
def test_similar_words_are_those_within_the_errors(term: str, words: set[str]) -> None:
    most = 2 if len(term) >= TWICE_MIN else 1
    near = sorted((distance(term, word), word) for word in words if distance(term, word) <= most)
    assert similar_words(term, words) == tuple(word for _, word in near)


def test_similar_words_are_few_and_the_nearest() -> None:
    words = ["melaniexy", "melanies", "melanix", "melanir", "melanis"]
    assert similar_words("melanies", words) == ("melanies", "melanis", "melaniexy")


@pytest.mark.parametrize(
    ("term", "possible"),
    [("melni", True), ("melania", True), ("anna", False), ("数据库数据", False), ("12345", False), ("3f2a9bc", False)],
)
def test_words_of_five_latin_letters_may_be_misspelt(term: str, possible: bool) -> None:
    assert may_be_misspelt(term) == possible
    assert term.startswith(correct_prefix(term))
