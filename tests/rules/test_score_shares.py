"""Shares of a score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.query import Feature
from recalld.rules.calibration import scores
from recalld.rules.rank import Evidence, Ranked, rank
from recalld.rules.score_shares import PHRASE, PLACE, PRIOR, RERANKER, features_of, parts_of, placed, reranked
from tests.rules.test_rank import evidence, rowset, similarity

ROWS = 8
cosines = st.lists(st.floats(-0.2, 1.0), min_size=ROWS, max_size=ROWS)
postings = st.lists(st.tuples(st.integers(0, 1), st.integers(0, ROWS - 1)), max_size=12, unique=True)


@st.composite
def rankings(draw: st.DrawFn) -> tuple[Ranked, Evidence]:
    found = evidence(draw(postings), ROWS, terms=2)
    models = draw(st.lists(cosines, max_size=2))
    found = replace(
        found,
        similarities=tuple(similarity(each, name=f"m{k}") for k, each in enumerate(models)),
        phrase=np.array(draw(st.lists(st.integers(0, ROWS - 1), max_size=2, unique=True)), np.int32),
    )
    rows = rowset(
        ROWS,
        linked=draw(st.booleans()),
        speakers=("Ana", "assistant"),
        speaker=draw(st.lists(st.integers(-1, 1), min_size=ROWS, max_size=ROWS)),
    )
    return rank("what does Ana like", rows, found), found


@given(rankings())
def test_the_parts_of_a_row_add_up_to_its_rank_sum(ranking: tuple[Ranked, Evidence]) -> None:
    ranked, found = ranking
    sums = [sum(part.value for part in parts_of(ranked, found, row, ("a", "b"))) for row in range(ROWS)]
    assert sums == pytest.approx(ranked.total.tolist(), abs=1e-9)


@given(rankings(), st.floats(0, 1))
def test_shares_add_up_to_the_score_whatever_place_the_hit_takes(
    ranking: tuple[Ranked, Evidence], other: float
) -> None:
    ranked, found = ranking
    for row in range(ROWS):
        for score in (float(scores(ranked, np.array([row]))[0]), other):
            features = features_of(parts_of(ranked, found, row, ("a", "b")), ranked, row, score)
            assert sum(one.share for one in features) == pytest.approx(score, abs=0.001)


@given(rankings())
def test_within_a_hit_a_larger_part_has_a_larger_share(ranking: tuple[Ranked, Evidence]) -> None:
    ranked, found = ranking
    for row in range(ROWS):
        parts = parts_of(ranked, found, row, ("a", "b"))
        features = features_of(parts, ranked, row, float(scores(ranked, np.array([row]))[0]))
        share = {one.name: one.share for one in features}
        by_value = [share[part.name] for part in sorted(parts, key=lambda part: part.value)]
        assert by_value == sorted(by_value)


def test_words_name_the_terms_that_matched() -> None:
    found = evidence([(1, 2)], 4, terms=2)
    (words, *_) = parts_of(rank("q", rowset(4), found), found, 2, ("tea", "oolong"))
    assert words.note == "BM25: 1 of 2 terms (oolong)"


def test_each_model_has_a_share_of_its_own() -> None:
    one, other = similarity([0.1, 0.5, 0.9, 0.8], name="static"), similarity([0.9, 0.2, 0.1, 0.8], name="minilm")
    found = replace(evidence([(0, 3)], 4), similarities=(one, other))
    names = [part.name for part in parts_of(rank("q", rowset(4), found), found, 3, ("a",))]
    assert names[:3] == ["words", "meaning:static", "meaning:minilm"]


def test_the_phrase_is_a_part_of_the_row_that_has_it() -> None:
    found = replace(evidence([(0, 1), (0, 2)], 4), phrase=np.array([1], np.int32))
    ranked = rank("q", rowset(4), found)
    having = [row for row in range(4) if PHRASE in {part.name for part in parts_of(ranked, found, row, ("a",))}]
    assert having == [1]


def test_a_score_of_another_place_is_a_feature_once() -> None:
    features = placed(placed((Feature("words", 1.0, 0.4), Feature(PRIOR, 0.1, 0.1)), 0.8), 0.6)
    assert [one.name for one in features] == ["words", PRIOR, PLACE]
    assert sum(one.share for one in features) == pytest.approx(0.6)


def test_a_reranked_score_is_the_rerankers_alone() -> None:
    features = reranked((Feature("words", 1.0, 0.4), Feature(PLACE, 0.5, 0.1)), 0.7)
    assert [(one.name, one.share) for one in features] == [(RERANKER, 0.7), ("words", 0.0)]


def test_without_features_nothing_is_added() -> None:
    assert (placed((), 0.5), reranked((), 0.5)) == ((), ())
