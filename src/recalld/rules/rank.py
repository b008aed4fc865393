"""The ranking function: pure, arrays in and arrays out, without loops over rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .rank_features import Floats, RankRows, RowFeatures, Rows, prepare
from .ranking_params import DEFAULT, PEOPLE, SPACED_ONLY, STATIC, RankingParams
from .unicode_scripts import CJK, UNSPACED

_ASSISTANT_REFERENCE = re.compile(
    r"\byou (?:\w+ )?(?:said|told|gave|suggest|recommend|mention|provid|list|explain|share|wrote|help)"
    r"|\b(?:did|had|have) you\b|\byour (?:suggest|recommend|list|answer|advice|respon)",
    re.IGNORECASE,
)
_UNSPACED = re.compile(rf"[{CJK}{UNSPACED}]")
TABLE_SHARE = 8
"""A dense table of terms and rows is filled if at least one cell in this many is used; otherwise the cells are sorted."""
SAMPLE_ROWS = 256
LEAD_TURNS = 3
"""Turns compared by ``Ranked.lead``: AUROC .85 on questions about the wrong person, .82 with the best turn alone."""
SPARE_ROWS = 8
"""Rows examined per requested entry, since an entry has a few chunks; more are examined if these do not suffice."""


@dataclass(frozen=True, slots=True)
class Similarity:
    """One model's ``cosine`` with the query per row, NaN without a vector; ``vector_count``: rows with one. ``model``: the
    embedder's name; ``floor``/``ceiling``: its cosines of unrelated and of equivalent texts."""

    model: str
    cosine: NDArray[np.float32]
    vector_count: int
    floor: float = 0.0
    ceiling: float = 1.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """Matches of one query. Postings: ``term[k]`` occurs ``count[k]`` times in row ``row[k]``; ``idf``: per term;
    ``similarities``: one for each model with vectors here, in the order of the configuration; ``phrase``: rows that contain the
    phrase."""

    term: Rows
    row: Rows
    count: NDArray[np.float32]
    idf: Floats
    similarities: tuple[Similarity, ...]
    phrase: Rows


@dataclass(frozen=True, slots=True)
class Ranked:
    """Per row: the parts of its rank and their sum ``total``; ``dense``: the mean cosine of the models; ``votes``: by model, in the
    order of the evidence, on the scale where the best row by words has 1. ``coverage``: share of the query's information that
    the best row covers; ``closeness``: the best cosine, 0..1 between the model's floor and ceiling (None without vectors);
    ``lead``: the mean of the best turns of the person whom the query names minus that of others, without the bonus for the name
    (None without such turns)."""

    lexical: Floats
    dense: Floats
    group: Floats
    bonus: Floats
    total: Floats
    coverage: float
    closeness: float | None
    votes: tuple[Floats, ...]
    lead: float | None


def idf(document_frequency: NDArray[np.float32], chunks: int) -> Floats:
    """Return the information of each term, in nats, from its document frequency."""
    found = document_frequency.astype(np.float64)
    return np.log1p((np.maximum(chunks - found, 0) + 0.5) / (found + 0.5))


def rank(
    query: str, rows: RankRows, found: Evidence, params: RankingParams = DEFAULT, features: RowFeatures | None = None
) -> Ranked:
    """Score every row. Empty evidence gives zeros; equal rows get equal scores. ``features``: precomputed for these rows and
    parameters (None: computed here).

    The function makes a few dozen array passes. Each releases and re-acquires the GIL, which costs more than the pass when
    other threads run, so every pass avoided counts.
    """
    features = features or prepare(rows, params)
    lexical = _bm25(rows, found, features, params)
    most = float(lexical.max(initial=0.0))
    fused = _scaled(lexical, 0.0, most)
    votes = _votes(query, found, features, params)
    if votes is not None:
        for vote in votes.each:
            fused += vote
        # Rows of different kinds have different weights in all.
        fused /= votes.weight
    fused = _scaled(fused, 0.0, float(fused.max(initial=0.0)))
    group = features.best_of_group(fused) * params.group_share
    named = _named_speaker(query, rows, features)
    bonus = _bonus(query, rows, features, params, named)
    if len(found.phrase):
        bonus = bonus.copy()
        bonus[found.phrase] += params.phrase
    total = fused + group
    total += bonus
    lead = _lead(total, rows, features, named, params)
    best = most / max((params.k1 + 1) * float(found.idf.sum()), 1e-9)
    if votes is None:
        return Ranked(lexical, np.zeros(len(total)), group, bonus, total, best, None, (), lead)
    return Ranked(lexical, votes.cosine, group, bonus, total, best, votes.closeness, votes.each, lead)


def best_per_entry(entry: NDArray[np.int64], total: Floats, most: int) -> NDArray[np.int64]:
    """Return the row of the best chunk of each entry, best first, at most ``most``; ties go to the smaller row."""
    if not len(entry):
        return np.zeros(0, np.int64)
    above = best = np.zeros(0, np.int64)
    for threshold in _thresholds(total, most):
        # Rows above a threshold in order: every other row is worse.
        above = np.flatnonzero(total > threshold)
        best = _best_of_entry(entry, total, above)
        if len(best) >= most:
            return best[:most]
    worst, examined = np.flatnonzero(total == total.min()), 0
    while len(best) < most and examined < len(worst):
        examined = SPARE_ROWS * max(examined, most)
        best = _best_of_entry(entry, total, np.concatenate([above, worst[:examined]]))
    return best[:most]


def _best_of_entry(entry: NDArray[np.int64], total: Floats, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    order = rows[np.argsort(-total[rows], kind="stable")]
    _, first = np.unique(entry[order], return_index=True)
    return order[np.sort(first)]


def _thresholds(total: Floats, most: int) -> Iterator[float]:
    """Yield falling thresholds from a sample: about eight rows per requested entry are above the first, and all rows better
    than the worst are above the last. Sorting all rows would take longer than the rest of the ranking."""
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
        # A posting also counts for the rows that have its row as a neighbour.
        cell = np.concatenate([cell, (neighbours.near[place[has]] + base[has, None]).ravel()])
        part = count[has] * features.lexical_part[place[has]]
        count = np.concatenate([count, (part[:, None] * neighbours.outgoing).ravel()])
    if TABLE_SHARE * len(cell) > terms * n:
        table = _summed(cell, count, terms * (n + 1)).reshape(terms, n + 1)[:, :n]
        return np.asarray(worth @ (table / (table + features.norm)), np.float64)
    if len(has):  # several postings may fall into one cell: sum them, without the cells of missing rows
        cell, at = np.unique(cell, return_inverse=True)
        count = _summed(at, count, len(cell))
        there = np.flatnonzero(cell % (n + 1) < n)
        cell, count = cell[there], count[there]
    row = cell % (n + 1)
    return _summed(row, count / (count + features.norm[row]) * worth[cell // (n + 1)], n)


def _summed(at: NDArray[np.int64], values: Floats, size: int) -> Floats:
    return np.asarray(np.bincount(at, values, minlength=size), np.float64)


@dataclass(frozen=True, slots=True)
class _Votes:
    """Per row: each model's scaled cosine by weight, the total ``weight`` of words and models, and the mean ``cosine``;
    ``closeness``: see ``Ranked``."""

    each: tuple[Floats, ...]
    weight: Floats
    cosine: Floats
    closeness: float


def _votes(query: str, found: Evidence, features: RowFeatures, params: RankingParams) -> _Votes | None:
    """Return the votes of all models, None without vectors.

    A model votes in proportion to its vectors here, so one that has embedded few rows does not order the others.
    """
    known = sum(one.vector_count for one in found.similarities)
    if not known:
        return None
    n, unspaced = len(features.kind), _UNSPACED.search(query) is not None
    votes, weight, cosine, closeness = list[Floats](), np.ones(n), np.zeros(n), 0.0
    for one in found.similarities:
        blended = _blend(one, features)
        # A single row has no range: the model's floor replaces the worst cosine.
        low = float(blended.min(initial=one.floor))
        high = float(blended.max(initial=low))
        by_kind = _weights(one.model, found.similarities, params, unspaced=unspaced) * (one.vector_count / n)
        own = by_kind[features.kind]
        votes.append(_scaled(blended, low, high) * own)
        weight += own
        share = one.vector_count / known
        cosine += blended * share
        closeness += share * (max(high, one.floor) - one.floor) / (one.ceiling - one.floor)
    return _Votes(tuple(votes), weight, cosine, closeness)


def _weights(model: str, similarities: Sequence[Similarity], params: RankingParams, *, unspaced: bool) -> Floats:
    """Return the weight of a model by kind of row."""
    by_kind = params.contextual
    if model == STATIC:
        by_kind = params.static if len(similarities) > 1 else params.static_alone
    return np.array(by_kind) * (params.unspaced if unspaced and model in SPACED_ONLY else 1.0)


def _blend(found: Similarity, features: RowFeatures) -> Floats:
    """Return cosines with the blend of each row's vector and its neighbours'. A row without a vector gets the mean cosine."""
    own = np.append(found.cosine.astype(np.float64), 0.0)
    if found.vector_count < len(found.cosine):
        missing = np.flatnonzero(np.isnan(own))
        own[missing] = 0.0
        own[missing] = float(own.sum()) / found.vector_count if found.vector_count else found.floor
    window = features.static if found.model == STATIC else features.contextual
    return np.asarray(features.neighbours.blended(own, window.part) / window.norm, np.float64)


def _scaled(score: Floats, low: float, high: float, weight: float = 1.0) -> Floats:
    """Scale linearly from 0 at ``low`` to ``weight`` at ``high``."""
    span = high - low
    if span <= 1e-12:
        return np.zeros(len(score))
    return (score if low == 0.0 else score - low) * (weight / span)


def _named_speaker(query: str, rows: RankRows, features: RowFeatures) -> int | None:
    """Return the number of the person the query names, None if it names none or several."""
    named = [k for k, name in enumerate(rows.speakers) if not features.is_role[k] and _names(query, name)]
    return named[0] if len(named) == 1 else None


def _lead(
    total: Floats, rows: RankRows, features: RowFeatures, named: int | None, params: RankingParams
) -> float | None:
    """See ``Ranked.lead``."""
    if named is None:
        return None
    own = rows.speaker == named
    others = (features.kind == PEOPLE) & ~own
    if not own.any() or not others.any():
        return None
    first, second = (float(np.sort(total[which])[-LEAD_TURNS:].mean()) for which in (own, others))
    return first - params.speaker - second


def _bonus(query: str, rows: RankRows, features: RowFeatures, params: RankingParams, named: int | None) -> Floats:
    """Return the query-dependent bonus of each row.

    A query that names exactly one speaker raises that speaker's turns. With an assistant, the user's turns are preferred,
    unless the query is about the assistant's words. No other bonus is above 0, so turns have no advantage over files.
    """
    role = "assistant" if features.has_roles and _ASSISTANT_REFERENCE.search(query) else "user"
    bonus = features.prior_for[role]
    return bonus if named is None else bonus + params.speaker * (rows.speaker == named)


def _names(query: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", query, re.IGNORECASE) is not None
