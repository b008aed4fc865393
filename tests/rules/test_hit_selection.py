"""Which hits are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.node import ContextType
from recalld.domain.query import Hit
from recalld.domain.uri import Uri
from recalld.rules.hit_selection import above_gap, are_similar, shingles, without_sidecars

SCORES = st.lists(st.floats(0, 1), max_size=20).map(lambda found: sorted(found, reverse=True))


def hit(path: str, score: float) -> Hit:
    return Hit(Uri.parse(f"viking://{path}"), ContextType.RESOURCE, 2, score, "")


@given(SCORES)
def test_at_least_one_hit_remains(scores: list[float]) -> None:
    assert min(1, len(scores)) <= above_gap(scores) <= len(scores)


@pytest.mark.parametrize(
    ("scores", "count"), [([0.6, 0.31, 0.3, 0.29], 3), ([0.9], 1), ([], 0), ([0.0, 0.0], 2), ([0.2, 0.05], 1)]
)
def test_the_gap_is_half_of_the_best_score(scores: list[float], count: int) -> None:
    assert above_gap(scores) == count


@given(st.text(max_size=200), st.text(max_size=200))
def test_similarity_is_symmetric_and_every_text_with_words_is_like_itself(first: str, second: str) -> None:
    one, other = shingles(first), shingles(second)
    assert are_similar(one, other) == are_similar(other, one)
    assert are_similar(one, one) == bool(one)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("The quorum decides.", "the  quorum decides", True),
        ("yes", "yes!", True),
        ("", "", False),
        ("a b c d", "a b c e", False),
        (
            "退款政策说明客户可以在三十天内申请退款其他内容在这里" * 3,
            "退款政策说明客户可以在三十天内申请退款其他内容在这里" * 3 + "。完",
            True,
        ),
        ("退款政策说明客户可以申请", "发票政策说明客户可以申请", False),
    ],
)
def test_texts_are_the_same_if_nearly_all_their_words_are(first: str, second: str, same: bool) -> None:
    assert are_similar(shingles(first), shingles(second)) is same


@pytest.mark.parametrize(("score", "shown"), [(0.5, False), (0.62, False), (0.7, True)])
def test_a_directorys_abstract_is_shown_if_it_answers_better_than_its_files(score: float, shown: bool) -> None:
    hits = [hit("resources/docs/.abstract.md", score), hit("resources/docs/a/b.md", 0.6)]
    assert (hits[0] in without_sidecars(hits)) is shown


def test_a_directorys_abstract_stands_alone_where_none_of_its_files_is_found() -> None:
    hits = [hit("resources/docs/.overview.md", 0.3), hit("resources/docs2/b.md", 0.6)]
    assert without_sidecars(hits) == hits
