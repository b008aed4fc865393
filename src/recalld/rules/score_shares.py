"""Splits a score into shares that add up to it.

A score is a calibrated sigmoid of a rank sum, so the parts of the sum do not add up to it. Each part gets the same slope: the rise
of the score over its value at rank sum 0, per unit of the sum. That value is the share named ``prior``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from recalld.domain.query import Feature

from .calibration import scores
from .rank import Evidence, Ranked
from .ranking_params import DEFAULT, RankingParams

WORDS, MEANING, GROUP, PHRASE, BONUS = "words", "meaning", "group", "phrase", "bonus"
PRIOR, PLACE, RERANKER = "prior", "place", "reranker"
SHARE_MIN = 1e-6
"""Smaller differences of scores are rounding."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a rank sum. ``raw``: its value before scaling; ``value``: what it adds to the sum."""

    name: str
    raw: float
    value: float
    note: str


def parts_of(
    ranked: Ranked, found: Evidence, row: int, terms: Sequence[str], params: RankingParams = DEFAULT
) -> tuple[Part, ...]:
    """Return the parts of a row's rank sum, which add up to it. ``terms``: of the query, in the order of the evidence."""
    words = float(ranked.lexical[row]) / max(float(ranked.lexical.max(initial=0.0)), 1e-12)
    votes = [float(vote[row]) for vote in ranked.votes]
    group, bonus = float(ranked.group[row]), float(ranked.bonus[row])
    whole = words + sum(votes)
    # Words and models were scaled together, so their ratio within a row is that of their parts.
    scale = (float(ranked.total[row]) - group - bonus) / whole if whole > 0 else 0.0
    matched = sorted({terms[t] for t in found.term[found.row == row].tolist() if t < len(terms)})
    parts = [Part(WORDS, float(ranked.lexical[row]), scale * words, _words_note(matched, len(terms)))]
    for one, vote in zip(found.similarities, votes, strict=False):
        note = f"cosine of the {one.model} model, {one.floor:g} is unrelated, {one.ceiling:g} is equivalent"
        cosine = float(one.cosine[row])
        parts.append(Part(f"{MEANING}:{one.model}", cosine if np.isfinite(cosine) else 0.0, scale * vote, note))
    phrase = params.phrase if row in found.phrase else 0.0
    parts.append(Part(GROUP, group, group, "the best evidence in its file or conversation"))
    parts.append(Part(PHRASE, phrase, phrase, "the words in the order of the question"))
    parts.append(Part(BONUS, bonus - phrase, bonus - phrase, "who speaks, length and form"))
    return tuple(part for part in parts if part.value or part.name.startswith((WORDS, MEANING)))


def features_of(parts: Sequence[Part], ranked: Ranked, row: int, score: float) -> tuple[Feature, ...]:
    """Return the features of a hit with this ``score``, whose shares add up to it."""
    at = np.array([row])
    own = float(scores(ranked, at)[0])
    total = ranked.total.copy()
    total[row] = 0.0
    prior = float(scores(replace(ranked, total=total), at)[0])
    slope = _slope(sum(part.value for part in parts), own - prior)
    shared = tuple(Feature(part.name, part.raw, slope * part.value, part.note) for part in parts)
    base = Feature(PRIOR, prior, prior if slope else own, "the score before any evidence of this entry")
    return placed((*shared, base), score)


def placed(features: tuple[Feature, ...], score: float) -> tuple[Feature, ...]:
    """Return the features of a hit that takes over the ``score`` of another place: the difference is one more feature."""
    features = tuple(one for one in features if one.name != PLACE)
    missing = score - sum(one.share for one in features)
    if not features or abs(missing) < SHARE_MIN:
        return features
    return (*features, Feature(PLACE, score, missing, "its place among the hits"))


def reranked(features: tuple[Feature, ...], relevance: float) -> tuple[Feature, ...]:
    """Return the features of a hit whose score is the reranker's: all others have no share."""
    if not features:
        return features
    rest = (replace(one, share=0.0) for one in features if one.name != PLACE)
    return (Feature(RERANKER, relevance, relevance, "the reranker replaces the score"), *rest)


def _slope(total: float, rise: float) -> float:
    """Return the rise of the score per unit of the rank sum; 0 if they disagree, as for an empty sum."""
    return rise / total if total * rise > 0 else 0.0


def _words_note(matched: Sequence[str], terms: int) -> str:
    return f"BM25: {len(matched)} of {terms} terms" + (f" ({', '.join(matched)})" if matched else "")
