"""Gates of a search."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recalld.domain.uri import Uri
from recalld.domain.why_not import Change, EntryFacts, Ranks
from recalld.rules.why_not import judge, lower_threshold

GATES = ["visible", "indexed", "filters", "candidate", "threshold", "limit", "distinct"]
FOUND = EntryFacts(
    Uri.parse("viking://resources/docs/a.md"),
    matched=("tea",),
    terms=2,
    cosines={"static": 0.4},
    ranks=Ranks(2, {"static": 3}, 2, 9, 0.6),
    cut=0.1,
    place=2,
    limit=10,
)
BELOW = "viking://resources/docs"


def test_a_hit_passes_every_gate() -> None:
    verdict = judge(FOUND)
    assert (verdict.found, verdict.nearest) == (True, None)
    assert [(gate.name, gate.open) for gate in verdict.gates] == [(name, True) for name in GATES]


@pytest.mark.parametrize(
    ("change", "gate", "nearest"),
    [
        ({"hidden": "not found: x"}, "visible", ("", None)),
        ({"unindexed": "a job has yet to index it"}, "indexed", ("", None)),
        ({"excluded": (("levels", "level is 0"),)}, "filters", ("levels", "0,1,2")),
        ({"excluded": (("targets", "it is not below x"),)}, "filters", ("targets", BELOW)),
        ({"ranks": None, "place": 0}, "candidate", ("targets", BELOW)),
        ({"ranks": replace(FOUND.ranks, score=0.0876), "place": 0}, "threshold", ("score_min", 0.08)),
        ({"place": 14}, "limit", ("limit", 14)),
        ({"place": 2000}, "limit", ("targets", BELOW)),
        ({"place": 0}, "distinct", ("targets", BELOW)),
    ],
)
def test_the_first_closed_gate_ends_the_list_and_names_its_change(
    change: dict[str, object], gate: str, nearest: tuple[str, object]
) -> None:
    verdict = judge(replace(FOUND, **change))
    assert not verdict.found
    assert [one.name for one in verdict.gates] == GATES[: GATES.index(gate) + 1]
    assert [one.open for one in verdict.gates] == [True] * (len(verdict.gates) - 1) + [False]
    assert isinstance(verdict.nearest, Change)
    assert (verdict.nearest.parameter, verdict.nearest.value) == nearest


def test_a_missing_vector_is_no_closed_gate_but_is_named() -> None:
    verdict = judge(replace(FOUND, cosines={"static": 0.4, "minilm": None}))
    assert verdict.gates[1].detail == "the index has it, without a vector of minilm yet"


@given(st.floats(0.0, 1.0))
def test_a_suggested_threshold_lets_the_score_through(score: float) -> None:
    threshold = lower_threshold(score)
    assert threshold < score or threshold == 0.0
