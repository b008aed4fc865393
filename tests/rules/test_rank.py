"""Ranking."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from recalld.rules.calibration import ANSWERABLE_MIN, answer_chance, scores
from recalld.rules.rank import Evidence, Similarity, best_per_entry, idf, rank
from recalld.rules.rank_features import RankRows

NONE = np.zeros(0, np.int32)


def rowset(
    n: int, *, linked: bool = False, speakers: tuple[str, ...] = (), speaker: list[int] | None = None, **more: Any
) -> RankRows:
    at = np.arange(n, dtype=np.int32)
    return RankRows(
        node=more.get("node", np.arange(n)),
        group=np.zeros(n, np.int64) if linked else np.arange(n),
        previous=at - 1 if linked else np.full(n, -1, np.int32),
        next=np.where(at + 1 < n, at + 1, -1).astype(np.int32) if linked else np.full(n, -1, np.int32),
        length=more.get("length", np.full(n, 10, np.float32)),
        speaker=np.array(speaker if speaker is not None else [-1] * n, np.int32),
        asks=more.get("asks", np.zeros(n, np.bool_)),
        traits=more.get("traits", np.zeros(n, np.int8)),
        speakers=speakers,
    )


def similarity(cosine: list[float], **model: Any) -> Similarity:
    return Similarity(model.pop("name", "m"), np.array(cosine, np.float32), sum(c == c for c in cosine), **model)


def evidence(postings: list[tuple[int, int]], n: int, terms: int = 1, cosine: list[float] | None = None) -> Evidence:
    term = np.array([p[0] for p in postings], np.int32)
    document_frequency = (
        np.bincount(term, minlength=terms).astype(np.float32) if len(term) else np.zeros(terms, np.float32)
    )
    return Evidence(
        term, np.array([p[1] for p in postings], np.int32), np.ones(len(postings), np.float32), idf(document_frequency, n),
        () if cosine is None else (similarity(cosine),), NONE,
    )  # fmt: skip


def order(ranked: Any) -> list[int]:
    return np.argsort(-ranked.total, kind="stable").tolist()


def test_rarer_words_weigh_more() -> None:
    found = evidence([(0, 0), (1, 1), (1, 2), (1, 3)], 6, terms=2)
    assert order(rank("q", rowset(6), found))[0] == 0


def test_more_matching_terms_rank_higher() -> None:
    found = evidence([(0, 0), (1, 0), (0, 1), (1, 2)], 6, terms=2)
    assert order(rank("q", rowset(6), found))[0] == 0


def test_the_turn_beside_the_words_is_found_too() -> None:
    ranked = rank("q", rowset(12, linked=True), evidence([(0, 5)], 12))
    assert order(ranked)[:3] == [5, 6, 4]


def test_files_do_not_speak_for_each_other() -> None:
    ranked = rank("q", rowset(12), evidence([(0, 5)], 12))
    assert np.count_nonzero(ranked.lexical) == 1


def test_vectors_find_what_no_word_does() -> None:
    assert order(rank("q", rowset(4), evidence([], 4, cosine=[0.1, 0.2, 0.9, 0.1])))[0] == 2


def test_a_row_without_a_vector_is_taken_for_average() -> None:
    assert order(rank("q", rowset(3), evidence([], 3, cosine=[0.1, float("nan"), 0.9]))) == [2, 1, 0]


def test_two_models_vote_together() -> None:
    one, other = similarity([0.1, 0.5, 0.9, 0.8]), similarity([0.9, 0.2, 0.1, 0.8])
    assert order(rank("q", rowset(4), replace(evidence([], 4), similarities=(one, other))))[0] == 3


def test_a_model_with_few_vectors_does_not_order_the_others() -> None:
    nan = float("nan")
    most, few = similarity([0.1, 0.5, 0.9, 0.8, 0.3, 0.2]), similarity([0.9, 0.1, nan, nan, nan, nan])
    assert order(rank("q", rowset(6), replace(evidence([], 6), similarities=(most, few))))[:2] == [2, 3]


def test_contextual_vectors_weigh_more_than_words_in_files() -> None:
    static, contextual = similarity([0.9, 0.1], name="static"), similarity([0.1, 0.9], name="minilm")
    assert order(rank("q", rowset(2), replace(evidence([], 2), similarities=(static, contextual))))[0] == 1


def test_models_of_spaced_scripts_hardly_vote_on_others() -> None:
    found = replace(evidence([(0, 0)], 2), similarities=(similarity([0.1, 0.9], name="minilm"),))
    assert [order(rank(text, rowset(2), found))[0] for text in ("cat", "小猫")] == [1, 0]


def test_a_chat_with_an_assistant_has_no_window_for_vectors() -> None:
    found = evidence([], 9, cosine=[0.0] * 4 + [0.9] + [0.0] * 4)
    people = rank("q", rowset(9, linked=True, speakers=("Ana",), speaker=[0] * 9), found)
    chat = rank("q", rowset(9, linked=True, speakers=("user",), speaker=[0] * 9), found)
    assert (np.count_nonzero(people.dense), np.count_nonzero(chat.dense)) == (9, 1)


def test_an_exact_phrase_comes_first() -> None:
    found = evidence([(0, 0), (1, 0), (0, 1), (1, 1)], 6, terms=2)
    assert order(rank("q", rowset(6), replace(found, phrase=np.array([1], np.int32))))[0] == 1


def test_a_speaker_named_in_the_query_is_preferred() -> None:
    rows = rowset(2, speakers=("Ana", "Bob"), speaker=[0, 1])
    found = evidence([(0, 0), (0, 1)], 2)
    assert order(rank("What did Bob buy?", rows, found))[0] == 1
    assert rank("What did Bob and Ana buy?", rows, found).total.tolist() == rank("?", rows, found).total.tolist()


def test_the_user_is_preferred_unless_the_query_names_the_assistant() -> None:
    rows = rowset(2, speakers=("user", "assistant"), speaker=[0, 1])
    found = evidence([(0, 0), (0, 1)], 2)
    assert order(rank("Which framework is it?", rows, found))[0] == 0
    assert order(rank("What did you suggest?", rows, found))[0] == 1


def test_talk_has_no_lead_over_files() -> None:
    rows = rowset(3, speakers=("user", "Ana"), speaker=[0, 1, -1], length=np.full(3, 200, np.float32))
    ranked = rank("q", rows, evidence([(0, 0), (0, 1), (0, 2)], 3))
    assert ranked.total[2] >= ranked.total[:2].max()


def test_a_lone_entry_that_matches_scores_like_a_match() -> None:
    ranked = rank("q", rowset(1), evidence([(0, 0)], 1))
    assert scores(ranked, np.array([0]))[0] > 0.35


def test_nothing_found_scores_below_the_cut() -> None:
    ranked = rank("q", rowset(4), evidence([], 4))
    assert scores(ranked, np.arange(4)).max() < 0.1


def test_a_question_about_the_wrong_person_has_less_chance_of_an_answer() -> None:
    rows = rowset(8, speakers=("Ana", "Bob"), speaker=[0, 1] * 4)
    found = evidence([(0, 0), (1, 0), (2, 0), (0, 2), (1, 2), (0, 4)], 8, terms=3)
    right, wrong = (rank(f"What did {name} buy?", rows, found) for name in ("Ana", "Bob"))
    assert right.lead is not None
    assert wrong.lead is not None
    assert right.lead > 0 > wrong.lead
    assert answer_chance(right) > answer_chance(wrong)


def test_nothing_found_has_no_answer() -> None:
    assert answer_chance(rank("q", rowset(4), evidence([], 4))) < ANSWERABLE_MIN


def test_no_rows_is_no_error() -> None:
    assert len(rank("q", rowset(0), evidence([], 0)).total) == 0


@given(
    hnp.arrays(np.float32, 20, elements=st.floats(-1, 1, width=32)),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 19)), max_size=40, unique=True),
)
def test_order_and_score_agree_and_scores_are_chances(cosine: Any, postings: list[tuple[int, int]]) -> None:
    ranked = rank("q", rowset(20, linked=True), evidence(sorted(postings), 20, terms=3, cosine=cosine.tolist()))
    best = best_per_entry(np.arange(20) // 2, ranked.total, 10)
    found = scores(ranked, best)
    assert np.all(np.diff(found) <= 0)
    assert np.all((found > 0) & (found < 1))


@given(
    hnp.arrays(np.float64, st.integers(0, 200), elements=st.integers(0, 9).map(float)),
    st.integers(1, 30),
    st.integers(1, 9),
)
def test_an_entry_is_its_best_row_once_and_ties_go_to_the_first(total: Any, most: int, per: int) -> None:
    entry = np.arange(len(total)) // per
    expected = {}
    for row in np.argsort(-total, kind="stable").tolist():
        expected.setdefault(entry[row], row)
    assert best_per_entry(entry, total, most).tolist() == list(expected.values())[:most]
