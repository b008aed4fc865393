"""Words that a query excludes, and the rank of rows that contain them."""

from __future__ import annotations

from time import process_time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.query import QUERY_CHARS_MAX, Query
from recalld.rules.exclusions import EXCLUSIONS_MAX, split_exclusions
from recalld.rules.query_signals import rows_with, with_signals
from recalld.rules.rank import rank
from recalld.rules.ranking_params import DEFAULT
from recalld.usecases.find.plan import plan
from tests.rules.test_rank import evidence, rowset


@pytest.mark.parametrize(
    ("text", "rest", "excluded"),
    [
        ("pasta recipes -cream", "pasta recipes", ("cream",)),
        ('pasta recipes -cream -"goat cheese" ', "pasta recipes", ("cream", "goat cheese")),
        ("面条 做法 -奶油", "面条 做法", ("奶油",)),
        ("pasta well-known", "pasta well-known", ()),
        ("git commit -m", "git commit -m", ()),
        ("grep lines --count", "grep lines --count", ()),
        ("a 5 -star review", "a 5 -star review", ()),
        ("temperature below -20", "temperature below -20", ()),
        ("java -version", "java -version", ()),
        ("find -name core", "find -name core", ()),
        ("-cream", "-cream", ()),
    ],
)
def test_exclusions_stand_at_the_end_of_a_query(text: str, rest: str, excluded: tuple[str, ...]) -> None:
    assert split_exclusions(text) == (rest, excluded)


@pytest.mark.parametrize(
    "text",
    [
        "how do I deploy without downtime",
        "what does John eat besides pasta",
        "cross validation without sklearn",
        "wie deploye ich ohne Ausfall",
        "déployer sans interruption",
        "desplegar sin interrupciones",
        "不停机怎么部署",
        "为什么没有日志",
        "everything except the tests",
        "python is not none",
    ],
)
def test_negation_in_a_sentence_excludes_nothing(text: str) -> None:
    assert plan(Query(text)).excluded == ()


@given(st.text(st.sampled_from('ab -"\t\n1'), max_size=80))
def test_the_rest_is_the_start_of_the_query(text: str) -> None:
    rest, excluded = split_exclusions(text)
    assert text.startswith(rest)
    assert len(excluded) <= EXCLUSIONS_MAX
    assert all(f"-{each}" in text or f'-"{each}"' in text for each in excluded)
    assert (rest == text) == (not excluded)


@pytest.mark.parametrize("part", [" ", " -", ' -"', " -a"])
def test_the_longest_query_takes_a_moment(part: str) -> None:
    started = process_time()
    split_exclusions((part * QUERY_CHARS_MAX)[:QUERY_CHARS_MAX])
    assert process_time() - started < 0.1


def test_a_word_that_the_query_asks_for_is_not_excluded() -> None:
    planned = plan(Query("apple pie recipes -apples -cream"))
    assert (planned.excluded, planned.phrase) == ((("cream",),), ("appl", "pie", "recip"))


def test_an_exclusion_is_no_part_of_the_phrase_or_of_what_is_embedded() -> None:
    planned = plan(Query("pasta recipes -cream"))
    assert (planned.text, planned.phrase, planned.terms) == (
        "pasta recipes", ("pasta", "recip"), ("pasta", "recip", "cream"),
    )  # fmt: skip


def test_rows_with_a_phrase_contain_all_its_terms() -> None:
    found = evidence([(0, 1), (1, 1), (0, 2), (1, 3), (2, 3)], 5, terms=3)
    assert [rows.tolist() for rows in rows_with([("a", "b"), ("c",)], ("a", "b", "c"), found)] == [[1], [3]]


@given(st.lists(st.floats(-1, 2, width=16), min_size=1, max_size=12), st.data())
def test_an_excluded_row_loses_one_phrase_bonus_and_is_still_there(total: list[float], data: st.DataObject) -> None:
    n = len(total)
    rows = [np.array(sorted(data.draw(st.sets(st.integers(0, n - 1)))), np.int32) for _ in range(2)]
    before = rank("q", rowset(n), evidence([], n))
    after = with_signals(before, [], rows)
    lost = np.isin(np.arange(n), np.concatenate(rows)) * DEFAULT.phrase
    assert np.allclose(before.total - after.total, lost)
    assert np.allclose(after.bonus - before.bonus, after.total - before.total)
