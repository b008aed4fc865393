"""Memories and the messages they quote."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recalld.usecases.find.dedupe_quotes import dedupe_quotes

SCORES = [0.9, 0.8, 0.7, 0.6]


def test_without_memories_nothing_changes() -> None:
    assert dedupe_quotes([1, 2, 3, 4], SCORES, {}) == [(1, 0.9), (2, 0.8), (3, 0.7), (4, 0.6)]


def test_a_message_below_its_memory_is_left_out() -> None:
    assert dedupe_quotes([9, 1, 2, 3], SCORES, {9: [2]}) == [(9, 0.9), (1, 0.8), (3, 0.6)]


def test_a_memory_rises_to_the_place_of_what_it_quotes() -> None:
    assert dedupe_quotes([1, 2, 9, 3], SCORES, {9: [2, 3]}) == [(1, 0.9), (9, 0.8)]


def test_two_memories_of_one_message_both_stay() -> None:
    assert dedupe_quotes([1, 8, 9, 2], SCORES, {8: [1], 9: [1]}) == [(8, 0.9), (9, 0.9), (2, 0.6)]


@given(
    st.permutations(range(8)),
    st.dictionaries(st.integers(0, 3), st.lists(st.integers(4, 9), max_size=4), max_size=4),
)
def test_every_memory_stays_once_and_scores_descend(nodes: list[int], quoted: dict[int, list[int]]) -> None:
    got = dedupe_quotes(nodes, sorted((n / 10 for n in range(8)), reverse=True), quoted)
    assert [s for _, s in got] == sorted((s for _, s in got), reverse=True)
    gone = {m for n in quoted for m in quoted[n]}
    assert sorted(n for n, _ in got) == sorted(n for n in nodes if n not in gone)
