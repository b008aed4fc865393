"""The format of question files, and the metrics of a run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.errors import Invalid
from recalld.rules.evaluation import (
    Case,
    Metric,
    Outcome,
    by_tag,
    changes,
    judge,
    metrics,
    missed,
    parse_floor,
    parse_suite,
)

SUITE = """
name: docs
below: viking://resources/docs/
floors: {hit@3: 0.5}
cases:
  - {id: retry, question: how often is a call repeated, expect: [http/retries.md#Backoff], tags: [docs, en]}
  - {question: 退款要多久, expect: viking://resources/shop/refund.md}
"""


def outcome(name: str, rank: int) -> Outcome:
    found = ["viking://x"] * (rank - 1) + ["viking://a"] * (rank > 0)
    return judge(Case(name, "?", ("viking://a",)), found)


CASE = Case("a", "?", ("viking://resources/a.md", "viking://resources/b.md"))


def test_relative_expectations_start_below_the_address_of_the_file() -> None:
    suite = parse_suite(SUITE)
    assert [case.expect for case in suite.cases] == [
        ("viking://resources/docs/http/retries.md",),
        ("viking://resources/shop/refund.md",),
    ]
    assert (suite.cases[1].id, suite.floors) == ("case-2", {"hit@3": 0.5})


def test_the_address_of_the_command_replaces_that_of_the_file() -> None:
    assert parse_suite(SUITE, below="viking://resources/x").cases[0].expect == ("viking://resources/x/http/retries.md",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cases: []", "no list of cases"),
        ("[1", "not YAML"),
        ("cases: [7]", "case 1 is not a mapping"),
        ("cases: [{question: x}]", "case case-1 expects no address"),
        ("cases: [{expect: [viking://a]}]", "case case-1 has no question"),
        ("cases: [{id: a, question: x, expect: [a.md]}]", "case a expects the path 'a.md'"),
        ("cases: [{question: x, expect: [viking://a], answer: b}]", "'answer' is unknown"),
        ("cases: [{id: a, question: x, expect: viking://a}, {id: a, question: y, expect: viking://a}]", "two cases"),
        ("floors: {speed: 1}\ncases: [{question: x, expect: viking://a}]", "'speed' is no metric"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(text: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        parse_suite(text)


@pytest.mark.parametrize(
    ("uri", "rank"),
    [
        ("viking://resources/a.md", 1),
        ("viking://resources/a/1_begin.md", 1),
        ("viking://resources/a.md/2_end.md", 1),
        ("viking://resources/ab.md", 0),
        ("viking://resources", 0),
    ],
)
def test_a_part_of_the_expected_document_answers(uri: str, rank: int) -> None:
    assert judge(Case("a", "?", ("viking://resources/a.md",)), [uri]).rank == rank


def test_metrics_count_any_right_answer_and_the_share_found() -> None:
    both = judge(CASE, ["viking://resources/b.md", "viking://resources/x.md", "viking://resources/a.md"])
    second = judge(CASE, ["viking://resources/x.md", "viking://resources/b.md"])
    none = judge(CASE, [])
    found = metrics([both, second, none], 5)
    assert {name: round(one.value, 3) for name, one in found.items()} == {
        "hit@1": 0.333, "hit@3": 0.667, "hit@5": 0.667, "recall@5": 0.5, "mrr": 0.5,
    }  # fmt: skip


@given(st.lists(st.integers(0, 10), min_size=1, max_size=40))
def test_an_interval_holds_its_mean_and_metrics_rise_with_the_cutoff(ranks: list[int]) -> None:
    outcomes = [outcome(str(k), rank) for k, rank in enumerate(ranks)]
    found = metrics(outcomes, 10)
    assert all(0 <= one.low <= one.value + 1e-9 and one.value <= one.high + 1e-9 <= 1 + 1e-8 for one in found.values())
    assert found["hit@1"].value <= found["hit@3"].value <= found["hit@5"].value <= found["hit@10"].value
    assert found["hit@1"].value <= found["mrr"].value <= found["hit@10"].value


def test_a_tag_with_few_cases_has_no_row() -> None:
    outcomes = [judge(Case(str(k), "?", ("viking://a",), ("en", "rare") if not k else ("en",)), []) for k in range(5)]
    assert list(by_tag(outcomes, 10)) == ["en"]


def test_lost_answers_come_first_among_the_changes() -> None:
    outcomes = [outcome("better", 1), outcome("lost", 0), outcome("same", 2), outcome("new", 1)]
    assert changes({"better": 3, "lost": 1, "same": 2, "gone": 1}, outcomes) == [("lost", 1, 0), ("better", 3, 1)]


def test_a_floor_is_missed_below_it_and_where_nothing_measures_it() -> None:
    measured = {"mrr": Metric(0.4, 0.3, 0.5)}
    assert missed(measured, {"mrr": 0.4}) == []
    assert missed(measured, {"mrr": 0.5, "hit@7": 0.1}) == [
        "mrr is 0.400, its floor 0.5",
        "hit@7 is not measured; there are mrr",
    ]
    assert parse_floor("hit@3=0.6") == ("hit@3", 0.6)
    with pytest.raises(Invalid, match="is no floor"):
        parse_floor("hit@3")
