"""Recall does not fall below its floors: questions in other words about pages, notes, a conversation and skills.

A floor lies two questions below what was measured when it was set. If a change lowers a figure on purpose, or raises it for
good, set the floors in ``tests/data/recall_guard/questions`` again, and the tags ``weak`` and ``weak-in-store``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from recalld.rules.evaluation import Outcome, metrics, missed
from tests.recall_guard import LIMIT, SUITES, WEAK, WEAK_IN_STORE, Measurement, lost, measure

WHOLE_STORE_FLOORS: Mapping[str, float] = {"hit@1": 0.521, "hit@3": 0.680, "mrr": 0.626}
LOST_MAX = 1


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measurement:
    """All answers, measured once: 5 s of CPU."""
    return measure(tmp_path_factory.mktemp("recall_guard") / "store")


def report(sentences: Sequence[str], gone: Sequence[Outcome]) -> str:
    """Return the floors that were missed and the questions that lost their answer, with the first hits instead."""
    lines = [
        f"  {one.case.id}: {one.case.question}\n    rank {one.rank or 'none'}, first {', '.join(one.found[:3])}"
        for one in gone
    ]
    return "\n".join([*sentences, f"questions lost ({len(gone)}):", *lines])


@pytest.mark.parametrize("kind", SUITES)
def test_questions_below_their_kinds_address_find_their_answers(kind: str, measured: Measurement) -> None:
    outcomes = measured.below.outcomes[kind]
    sentences = missed(metrics(outcomes, LIMIT), SUITES[kind].floors)
    assert not sentences, report(sentences, lost(outcomes, WEAK))


def test_questions_to_the_whole_store_find_their_answers(measured: Measurement) -> None:
    outcomes = [one for group in measured.everywhere.outcomes.values() for one in group]
    sentences = missed(metrics(outcomes, LIMIT), WHOLE_STORE_FLOORS)
    assert not sentences, report(sentences, lost(outcomes, WEAK_IN_STORE))


def test_ten_times_as_many_unrelated_files_lose_one_question_at_most(measured: Measurement) -> None:
    # From the first three to behind the fifth: two neighbours that change places are no loss.
    before, after = (
        {one.case.id: one for group in answers.outcomes.values() for one in group}
        for answers in (measured.everywhere, measured.everywhere_among_unrelated)
    )
    gone = [after[name] for name, one in before.items() if 0 < one.rank <= 3 and not 0 < after[name].rank <= 5]
    assert len(gone) <= LOST_MAX, report([], gone)


def test_answers_below_an_address_do_not_depend_on_files_elsewhere(measured: Measurement) -> None:
    before, after = measured.below.hits, measured.below_among_unrelated.hits
    for name, hits in before.items():
        assert [uri for uri, _ in after[name]] == [uri for uri, _ in hits], name
        assert [score for _, score in after[name]] == pytest.approx([score for _, score in hits], abs=1e-6), name


def test_no_answer_is_degraded(measured: Measurement) -> None:
    # A part of recall that takes no part would move the figures for a reason of its own.
    for answers in (
        measured.below,
        measured.everywhere,
        measured.below_among_unrelated,
        measured.everywhere_among_unrelated,
    ):
        assert [one.case.id for group in answers.outcomes.values() for one in group if one.degraded] == []
