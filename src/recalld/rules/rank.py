"""One pure function from evidence to order: arrays in, arrays out, no loop over rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .rank_features import Floats, RankRows, RowFeatures, Rows, prepare
from .ranking_params import DEFAULT, LEXICAL_ONLY, WITH_VECTORS, RankingParams

_ASSISTANT_REFERENCE = re.compile(
    r"\byou (?:\w+ )?(?:said|told|gave|suggest|recommend|mention|provid|list|explain|share|wrote|help)"
    r"|\b(?:did|had|have) you\b|\byour (?:suggest|recommend|list|answer|advice|respon)",
    re.IGNORECASE,
)
TABLE_SHARE = 8
"""A table of all terms and rows is filled if one cell of so many has something in it, else those cells are sorted."""
SAMPLE_ROWS = 256
SPARE_ROWS = 8
"""An entry has a few chunks: so many rows are looked at for each entry that is wanted, more if that was short."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one query found. Postings: ``term[k]`` stands ``count[k]`` times in row ``row[k]``; ``idf`` per term;
    ``cosine`` per row, NaN where there is no vector, None = no vectors at all; ``vector_count``: how many rows have one;
    ``phrase``: rows that hold all of it;
    ``floor``/``ceiling``: the model's cosines of unrelated and of equal texts."""

    term: Rows
    row: Rows
    count: NDArray[np.float32]
    idf: Floats
    cosine: NDArray[np.float32] | None
    vector_count: int
    phrase: Rows
    floor: float = 0.0
    ceiling: float = 1.0


@dataclass(frozen=True, slots=True)
class Ranked:
    """Per row: the parts of its rank and their sum ``total``. ``coverage``: the share of the query's information that the
    best row covers; ``closeness``: how near the best vector comes, 0..1 between the model's floor and ceiling (None
    without vectors)."""

    lexical: Floats
    dense: Floats
    group: Floats
    bonus: Floats
    total: Floats
    coverage: float
    closeness: float | None

    def score(self, rows: NDArray[np.int64]) -> Floats:
        """Chance that each of these rows is what was asked for: rises with ``total`` within a query, and from query to
        query with what is absolute about its best row."""
        c = LEXICAL_ONLY if self.closeness is None else WITH_VECTORS
        best = c.coverage * max(self.coverage, 0.0) ** 0.5 + c.closeness * (self.closeness or 0.0)
        return np.asarray(1.0 / (1.0 + np.exp(-(c.base + c.total * self.total[rows] + best))), np.float64)


def idf(document_frequency: NDArray[np.float32], chunks: int) -> Floats:
    """Information of each term, in nats, from its document frequency."""
    found = document_frequency.astype(np.float64)
    return np.log1p((np.maximum(chunks - found, 0) + 0.5) / (found + 0.5))


def rank(
    query: str, rows: RankRows, found: Evidence, params: RankingParams = DEFAULT, features: RowFeatures | None = None
) -> Ranked:
    """Score every row. Empty evidence gives zeros; equal rows get equal scores. ``features``: of these rows and weights,
    made before (None: made here).

    The whole of it is a few dozen passes over the rows. Each gives the interpreter up and takes it back, which beside other
    threads costs more than the pass: one more is worth avoiding.
    """
    features = features or prepare(rows, params)
    lexical = _bm25(rows, found, features, params)
    most = float(lexical.max(initial=0.0))
    fused = _scaled(lexical, 0.0, most)
    near = None
    if found.cosine is None:
        dense = np.full(len(rows.node), found.floor)
    else:
        dense = _blend(found.cosine, found, features)
        # A lone row has no span of its own: the model's floor stands in for the worst one.
        low = float(dense.min(initial=found.floor))
        high = float(dense.max(initial=low))
        fused += _scaled(dense, low, high, params.dense)
        near = (max(high, found.floor) - found.floor) / (found.ceiling - found.floor)
    fused = _scaled(fused, 0.0, float(fused.max(initial=0.0)))
    group = features.best_of_group(fused) * params.group_share
    bonus = _bonus(query, rows, features, params)
    if len(found.phrase):
        bonus = bonus.copy()
        bonus[found.phrase] += params.phrase
    total = fused + group
    total += bonus
    best = most / max((params.k1 + 1) * float(found.idf.sum()), 1e-9)
    return Ranked(lexical, dense, group, bonus, total, best, near)


def best_per_entry(entry: NDArray[np.int64], total: Floats, most: int) -> NDArray[np.int64]:
    """Rows of the best chunk of each entry, best first, at most ``most``; ties: the smaller row."""
    if not len(entry):
        return np.zeros(0, np.int64)
    above = best = np.zeros(0, np.int64)
    for bar in _bars(total, most):
        # All that is above some bar, in order: the best of the rest is worse than any of it.
        above = np.flatnonzero(total > bar)
        best = _best_of_entry(entry, total, above)
        if len(best) >= most:
            return best[:most]
    worst, looked_at = np.flatnonzero(total == total.min()), 0
    while len(best) < most and looked_at < len(worst):
        looked_at = SPARE_ROWS * max(looked_at, most)
        best = _best_of_entry(entry, total, np.concatenate([above, worst[:looked_at]]))
    return best[:most]


def _best_of_entry(entry: NDArray[np.int64], total: Floats, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    order = rows[np.argsort(-total[rows], kind="stable")]
    _, first = np.unique(entry[order], return_index=True)
    return order[np.sort(first)]


def _bars(total: Floats, most: int) -> Iterator[float]:
    """Ever lower bars, by a sample: above the first there are some eight rows for each entry that is wanted, above the last
    all that are better than the worst. Sorting a whole store, or selecting among the thousands that have nothing of a query,
    would take longer than all else."""
    step = len(total) // SAMPLE_ROWS + 1
    sample = np.sort(total[::step])
    above = max(1, SPARE_ROWS * most // step)
    least = float(total.min())
    while above < len(sample) and sample[-above] > least:
        yield float(sample[-above])
        above *= 4
    yield least


def _bm25(rows: RankRows, found: Evidence, features: RowFeatures, params: RankingParams) -> Floats:
    n, terms = len(rows.node), len(found.idf)
    if not len(found.row):
        return np.zeros(n)
    neighbours, base = features.neighbours, found.term.astype(np.int64) * (n + 1)
    cell, count = base + found.row, found.count.astype(np.float64)
    worth = found.idf * (params.k1 + 1)
    place = neighbours.place[found.row]
    has = np.flatnonzero(place >= 0)
    if len(has):
        # A posting also counts for the rows that have its row as a neighbour: what lies ahead of it has it behind.
        cell = np.concatenate([cell, (neighbours.near[place[has]] + base[has, None]).ravel()])
        count = np.concatenate([count, (count[has, None] * neighbours.outgoing).ravel()])
    if TABLE_SHARE * len(cell) > terms * n:
        table = _summed(cell, count, terms * (n + 1)).reshape(terms, n + 1)[:, :n]
        return np.asarray(worth @ (table / (table + features.norm)), np.float64)
    if len(has):  # a row is reached on several ways: each cell once, and not the place of those who are not there
        cell, at = np.unique(cell, return_inverse=True)
        count = _summed(at, count, len(cell))
        there = np.flatnonzero(cell % (n + 1) < n)
        cell, count = cell[there], count[there]
    row = cell % (n + 1)
    return _summed(row, count / (count + features.norm[row]) * worth[cell // (n + 1)], n)


def _summed(at: NDArray[np.int64], values: Floats, size: int) -> Floats:
    return np.asarray(np.bincount(at, values, minlength=size), np.float64)


def _blend(cosine: NDArray[np.float32], found: Evidence, features: RowFeatures) -> Floats:
    """Cosines with the mixture of each row's vector and its neighbours', had it been made. A row that has no vector yet
    gets what an average row has."""
    own = np.append(cosine.astype(np.float64), 0.0)
    if found.vector_count < len(cosine):
        missing = np.flatnonzero(np.isnan(own))
        own[missing] = 0.0
        own[missing] = float(own.sum()) / found.vector_count if found.vector_count else found.floor
    return np.asarray(features.neighbours.blended(own) / features.vector_norm, np.float64)


def _scaled(score: Floats, low: float, high: float, weight: float = 1.0) -> Floats:
    """From 0 at ``low`` to ``weight`` at ``high``."""
    span = high - low
    if span <= 1e-12:
        return np.zeros(len(score))
    return (score if low == 0.0 else score - low) * (weight / span)


def _bonus(query: str, rows: RankRows, features: RowFeatures, params: RankingParams) -> Floats:
    """If the question names exactly one of those who talk, that person's turns gain. With an assistant what is remembered
    is what the user said, unless the question is about the assistant's words. Otherwise never above 0, so that talk has
    no lead over files."""
    role = "assistant" if features.has_roles and _ASSISTANT_REFERENCE.search(query) else "user"
    bonus = features.prior_for[role]
    named = [k for k, name in enumerate(rows.speakers) if not features.is_role[k] and _names(query, name)]
    if len(named) == 1:
        bonus = bonus + params.speaker * (rows.speaker == named[0])
    return bonus


def _names(query: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", query, re.IGNORECASE) is not None
