"""Recall checked by questions with expected addresses: their file, the metrics of a run, and what changed between two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import yaml

from recalld.domain.errors import Invalid

CASES_MAX = 10_000
CUTOFFS = (1, 3, 5, 10)
RESAMPLES = 1_000
_SEED = 15
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FIELDS = frozenset({"id", "question", "expect", "tags", "note"})


@dataclass(frozen=True, slots=True)
class Case:
    """A question. Any of ``expect`` is a right answer: whole addresses, or paths below the suite's ``below``."""

    id: str
    question: str
    expect: tuple[str, ...]
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suite:
    """A file of cases. ``below``: the address that relative expectations start from, and that is searched. ``floors``: the
    least value of each metric, for exit codes."""

    name: str
    cases: tuple[Case, ...]
    below: str = ""
    floors: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to a case. ``found``: addresses of the hits, best first; ``ranks``: per expectation its place among them,
    counted from 1, 0 = not found; ``degraded``: parts of recall that did not take part."""

    case: Case
    found: tuple[str, ...]
    ranks: tuple[int, ...]
    ms: float = 0.0
    degraded: tuple[str, ...] = ()

    @property
    def rank(self) -> int:
        """The place of the first right answer, 0 = none."""
        return min((rank for rank in self.ranks if rank), default=0)


@dataclass(frozen=True, slots=True)
class Metric:
    """A mean over cases, with its 95% interval."""

    value: float
    low: float
    high: float


def parse_suite(text: str, *, below: str = "") -> Suite:
    """Return the suite that YAML describes: ``cases`` of ``id``, ``question``, ``expect`` and ``tags``; beside them ``name``,
    ``below`` and ``floors``. ``below``: instead of the file's own.

    Raises ``Invalid`` and names the case and the field that is wrong.
    """
    try:
        data = yaml.load(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise Invalid(f"the file is not YAML: {error}", remedy="see docs/evaluation.md for the format") from None
    if not isinstance(data, dict) or not isinstance(data.get("cases"), list) or not data["cases"]:
        raise Invalid("the file has no list of cases", remedy="see docs/evaluation.md for the format")
    if len(data["cases"]) > CASES_MAX:
        raise Invalid(f"the file has {len(data['cases'])} cases; {CASES_MAX} are allowed", remedy="divide it")
    below = (below or str(data.get("below") or "")).rstrip("/")
    cases = tuple(_case(row, number, below) for number, row in enumerate(data["cases"], start=1))
    ids = [case.id for case in cases]
    if doubled := next((name for name in ids if ids.count(name) > 1), None) if len({*ids}) < len(ids) else None:
        raise Invalid(f"two cases have the id {doubled!r}", remedy="give each case an id of its own")
    floors = data.get("floors") or {}
    if not isinstance(floors, dict) or not all(isinstance(value, int | float) for value in floors.values()):
        raise Invalid("floors must map metrics to numbers", remedy="floors: {hit@3: 0.6}")
    _check_metrics(floors)
    return Suite(str(data.get("name") or ""), cases, below, floors)


def parse_floor(text: str) -> tuple[str, float]:
    """Return the metric and the number of ``METRIC=NUMBER``. Raises ``Invalid``."""
    name, _, number = text.partition("=")
    try:
        floor = float(number)
    except ValueError:
        raise Invalid(f"{text!r} is no floor", remedy="write hit@3=0.6") from None
    _check_metrics({name: floor})
    return name, floor


def judge(case: Case, found: Sequence[str], *, ms: float = 0.0, degraded: Sequence[str] = ()) -> Outcome:
    """Return the ranks of a case's expectations among the addresses found, best first.

    A hit answers an expectation if it is that entry, or a part of it: a section of a document that was divided, a sidecar
    of a directory.
    """
    ranks = tuple(
        next((rank for rank, uri in enumerate(found, start=1) if _answers(uri, expected)), 0)
        for expected in case.expect
    )
    return Outcome(case, tuple(found), ranks, ms, tuple(degraded))


def metrics(outcomes: Sequence[Outcome], limit: int) -> dict[str, Metric]:
    """Return hit@k (a right answer among the first k), recall@``limit`` (share of the expectations found) and MRR (mean of
    1/rank), with bootstrapped 95% intervals. Cutoffs above ``limit`` are left out."""
    found = {f"hit@{k}": [float(0 < one.rank <= k) for one in outcomes] for k in CUTOFFS if k <= limit}
    found[f"recall@{limit}"] = [sum(rank > 0 for rank in one.ranks) / len(one.ranks) for one in outcomes]
    found["mrr"] = [1 / one.rank if one.rank else 0.0 for one in outcomes]
    return {name: _mean(values) for name, values in found.items()}


def by_tag(outcomes: Sequence[Outcome], limit: int, *, least: int = 5) -> dict[str, tuple[int, dict[str, Metric]]]:
    """Return the number of cases and the metrics of each tag with at least ``least`` cases, by name."""
    tags = sorted({tag for one in outcomes for tag in one.case.tags})
    groups = {tag: [one for one in outcomes if tag in one.case.tags] for tag in tags}
    return {tag: (len(group), metrics(group, limit)) for tag, group in groups.items() if len(group) >= least}


def changes(before: Mapping[str, int], outcomes: Sequence[Outcome]) -> list[tuple[str, int, int]]:
    """Return (case id, former rank, rank) of the cases whose rank differs, lost answers first, then by how much changed."""
    differing = [
        (one.case.id, before[one.case.id], one.rank)
        for one in outcomes
        if one.case.id in before and before[one.case.id] != one.rank
    ]
    return sorted(differing, key=lambda row: (_reciprocal(row[2]) - _reciprocal(row[1]), row[0]))


def missed(measured: Mapping[str, Metric], floors: Mapping[str, float]) -> list[str]:
    """Return a sentence for each floor that a metric is below, or that names a metric of no run."""
    return [
        f"{name} is {measured[name].value:.3f}, its floor {floor:g}"
        if name in measured
        else f"{name} is not measured; there are {', '.join(measured)}"
        for name, floor in floors.items()
        if name not in measured or measured[name].value < floor
    ]


def _case(row: object, number: int, below: str) -> Case:
    if not isinstance(row, dict):
        raise Invalid(f"case {number} is not a mapping", remedy="see docs/evaluation.md for the format")
    name = str(row.get("id") or f"case-{number}")
    if unknown := sorted(map(str, row.keys() - _FIELDS)):
        raise Invalid(f"case {name}: {unknown[0]!r} is unknown", remedy=f"use {', '.join(sorted(_FIELDS))}")
    question, expect, tags = row.get("question"), row.get("expect"), row.get("tags") or []
    if not isinstance(question, str) or not question.strip():
        raise Invalid(f"case {name} has no question", remedy="add question: ...")
    expect = [expect] if isinstance(expect, str) else expect
    if not isinstance(expect, list) or not expect or not all(isinstance(one, str) and one for one in expect):
        raise Invalid(f"case {name} expects no address", remedy="add expect: [viking://resources/docs/a.md]")
    if not isinstance(tags, list):
        raise Invalid(f"case {name}: tags must be a list", remedy="tags: [docs, en]")
    return Case(name, question, tuple(_address(one, name, below) for one in expect), tuple(map(str, tags)))


def _address(expected: str, name: str, below: str) -> str:
    path = expected.partition("#")[0].rstrip("/")
    if path.startswith("viking://"):
        return path
    if not below:
        raise Invalid(f"case {name} expects the path {expected!r}", remedy="name the address that it lies below")
    return f"{below}/{path.lstrip('/')}"


def _answers(uri: str, expected: str) -> bool:
    # A long document is a directory of its sections, named like the file with or without its extension.
    folder, _, file = expected.rpartition("/")
    stem = f"{folder}/{file.rpartition('.')[0] or file}"
    return uri == expected or uri.startswith((f"{expected}/", f"{stem}/"))


def _check_metrics(floors: Mapping[str, float]) -> None:
    for name in floors:
        kind, _, cutoff = str(name).partition("@")
        if not (name == "mrr" or (kind in {"hit", "recall"} and cutoff.isdecimal())):
            raise Invalid(f"{name!r} is no metric", remedy="use mrr, hit@1, hit@3, hit@5, hit@10 or recall@10")


def _reciprocal(rank: int) -> float:
    return 1 / rank if rank else 0.0


def _mean(values: Sequence[float]) -> Metric:
    """The mean with the percentiles of ``RESAMPLES`` resampled means (Efron's bootstrap), from a fixed seed."""
    if not values:
        return Metric(0.0, 0.0, 0.0)
    column = np.asarray(values, np.float64)
    chosen = np.random.default_rng(_SEED).integers(0, len(column), (RESAMPLES, len(column)))
    low, high = np.percentile(column[chosen].mean(axis=1), (2.5, 97.5))
    return Metric(float(column.mean()), float(low), float(high))
