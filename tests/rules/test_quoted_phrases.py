"""Phrases in quotation marks, and the rank of rows that contain them."""

from __future__ import annotations

from dataclasses import replace
from time import process_time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.query import QUERY_CHARS_MAX
from recalld.rules.query_signals import with_signals
from recalld.rules.quoted_phrases import PHRASES_MAX, quoted_phrases
from recalld.rules.rank import Ranked, rank
from recalld.rules.tokens import phrase_terms, terms
from tests.rules.test_rank import evidence, rowset


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ('the book "Becoming Nicole" by', ("Becoming Nicole",)),
        ("the book “Becoming Nicole” by", ("Becoming Nicole",)),
        ("das Buch „Der Zauberberg“ von", ("Der Zauberberg",)),
        ("le livre « La Peste » de", ("La Peste",)),
        ("原來香港「灣仔」與《教會史》", ("灣仔", "教會史")),
        ('("disk full")', ("disk full",)),
        ('"a b" or "c d" or "a b"', ("a b", "c d")),
        ('a 5" screen and a 7" one', ()),
        ('""', ()),
        ('an open "quote', ()),
        ("it's the users' list", ()),
        ('{"query": "x", "limit": "3", "level": "2"}', ()),
    ],
)
def test_phrases_in_quotation_marks_are_found(text: str, phrases: tuple[str, ...]) -> None:
    assert quoted_phrases(text) == phrases


@given(st.text(st.sampled_from('a b"“”„«»「」『』《》\n'), max_size=80))
def test_phrases_are_few_distinct_and_parts_of_the_text(text: str) -> None:
    phrases = quoted_phrases(text)
    assert len(set(phrases)) == len(phrases) <= PHRASES_MAX
    assert all(phrase and phrase == phrase.strip() and phrase in text for phrase in phrases)


@pytest.mark.parametrize("part", ['"', '"a', "「", "«“", 'a "b '])
def test_the_longest_query_takes_a_moment(part: str) -> None:
    started = process_time()
    quoted_phrases((part * QUERY_CHARS_MAX)[:QUERY_CHARS_MAX])
    assert process_time() - started < 0.1


@pytest.mark.parametrize(
    "phrase", ["green boats", "call 0171 123 4567 now", "version 1.2.3", "数据库", "readFile fails"]
)
def test_the_terms_of_a_phrase_stand_in_a_row_in_a_text_with_it(phrase: str) -> None:
    wanted, text = phrase_terms(phrase), terms(f"first {phrase} last")
    assert any(text[k : k + len(wanted)] == wanted for k in range(len(text)))


def ranked(total: np.ndarray) -> Ranked:
    n = len(total)
    return replace(rank("q", rowset(n), evidence([], n)), total=total, bonus=np.zeros(n))


@st.composite
def rankings(draw: st.DrawFn) -> tuple[np.ndarray, list[np.ndarray]]:
    n = draw(st.integers(1, 12))
    total = np.array(draw(st.lists(st.floats(-1, 2, width=16), min_size=n, max_size=n)))
    rows = st.sets(st.integers(0, n - 1)).map(lambda chosen: np.array(sorted(chosen), np.int32))
    return total, draw(st.lists(rows, max_size=PHRASES_MAX))


@given(rankings())
def test_rows_with_more_phrases_rank_first_and_nothing_else_moves(drawn: tuple[np.ndarray, list[np.ndarray]]) -> None:
    total, quoted = drawn
    after = with_signals(ranked(total), quoted)
    phrases = np.sum([np.isin(np.arange(len(total)), rows) for rows in quoted], axis=0) + np.zeros(len(total))
    for a in range(len(total)):
        for b in range(len(total)):
            if phrases[a] > phrases[b]:
                assert after.total[a] > after.total[b]
            elif phrases[a] == phrases[b] and total[a] > total[b]:
                assert after.total[a] >= after.total[b]
    assert (after.total >= total).all()
    assert np.allclose(after.total, total + after.bonus)
    assert (after.total == total)[phrases == 0].all()
