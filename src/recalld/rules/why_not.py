"""Decides at which gate of a search an entry falls, and which change opens it."""

from __future__ import annotations

import math
from collections.abc import Callable

from recalld.domain.why_not import Change, EntryFacts, Gate, WhyNot

from .search_request import LIMIT_MAX

THRESHOLD_STEPS = (100, 10_000, 10**9)
"""A suggested threshold is rounded down to two digits, or to more for a very low score."""
_Verdict = tuple[Gate, Change | None]


def judge(facts: EntryFacts) -> WhyNot:
    """Return the gates up to the first closed one, with the nearest change that opens it."""
    gates = list[Gate]()
    for gate in _GATES:
        verdict, change = gate(facts)
        gates.append(verdict)
        if not verdict.open:
            return WhyNot(facts.uri, False, tuple(gates), facts.ranks, change)
    return WhyNot(facts.uri, True, tuple(gates), facts.ranks)


def lower_threshold(score: float) -> float:
    """Return the roundest threshold below a score in 0..1, so that the score is above it."""
    for steps in THRESHOLD_STEPS:
        threshold = math.floor(score * steps) / steps
        if 0 < threshold < score:
            return threshold
    return 0.0


def _visible(facts: EntryFacts) -> _Verdict:
    if facts.hidden:
        return Gate("visible", False, facts.hidden), Change("", None, "check the address")
    return Gate("visible", True, "you may see it"), None


def _indexed(facts: EntryFacts) -> _Verdict:
    if facts.unindexed:
        return Gate("indexed", False, facts.unindexed), Change("", None, "wait until background work is done")
    missing = [model for model, cosine in facts.cosines.items() if cosine is None]
    vectors = f", without a vector of {' and '.join(missing)} yet" if missing else ""
    return Gate("indexed", True, f"the index has it{vectors}"), None


def _filters(facts: EntryFacts) -> _Verdict:
    if not facts.excluded:
        return Gate("filters", True, "targets and filters let it through"), None
    parameter, _ = facts.excluded[0]
    detail = "; ".join(reason for _, reason in facts.excluded)
    if parameter == "targets":
        parent = str(facts.uri.parent)
        return Gate("filters", False, detail), Change(parameter, parent, f"search below {parent}")
    if parameter == "levels":
        return Gate("filters", False, detail), Change(parameter, "0,1,2", "search level 0,1,2")
    return Gate("filters", False, detail), Change(parameter, None, f"leave out {parameter}")


def _candidate(facts: EntryFacts) -> _Verdict:
    words = ", ".join(facts.matched) if facts.matched else "none"
    cosines = "".join(
        f"; cosine {cosine:.2f} ({model})" for model, cosine in facts.cosines.items() if cosine is not None
    )
    detail = f"{len(facts.matched)} of {facts.terms} terms match ({words}){cosines}"
    if facts.ranks is None:
        parent = str(facts.uri.parent)
        detail += "; others match better, so it was not compared"
        return Gate("candidate", False, detail), Change("targets", parent, f"search below {parent}")
    ranks = facts.ranks
    meaning = "".join(f", {place} by meaning ({model})" for model, place in ranks.meaning.items())
    places = f"place {ranks.fused} of {ranks.entries}: {ranks.words} by words{meaning}"
    return Gate("candidate", True, f"{detail}; {places}"), None


def _threshold(facts: EntryFacts) -> _Verdict:
    score = facts.ranks.score if facts.ranks else 0.0
    if facts.place or score > facts.cut:
        return Gate("threshold", True, f"score {score:.3f}, threshold {facts.cut:g}"), None
    threshold = lower_threshold(score)
    return (
        Gate("threshold", False, f"score {score:.3f} is not above the threshold {facts.cut:g}"),
        Change("score_min", threshold, f"lower the threshold to {threshold:g}"),
    )


def _limit(facts: EntryFacts) -> _Verdict:
    if facts.place <= facts.limit:
        return Gate("limit", True, f"the limit is {facts.limit}"), None
    detail = f"it is hit {facts.place}, the limit is {facts.limit}"
    if facts.place > LIMIT_MAX:
        parent = str(facts.uri.parent)
        return Gate("limit", False, detail), Change("targets", parent, f"search below {parent}")
    return Gate("limit", False, detail), Change("limit", facts.place, f"raise limit to {facts.place}")


def _distinct(facts: EntryFacts) -> _Verdict:
    if facts.place:
        return Gate("distinct", True, "no other hit stands for it"), None
    parent = str(facts.uri.parent)
    return (
        Gate("distinct", False, "a memory among the hits quotes it and stands for it"),
        Change("targets", parent, f"search below {parent}"),
    )


_GATES: tuple[Callable[[EntryFacts], _Verdict], ...] = (
    _visible, _indexed, _filters, _candidate, _threshold, _limit, _distinct,
)  # fmt: skip
