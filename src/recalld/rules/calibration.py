"""What a rank means: the score of a hit, and the chance that the store has an answer. Fitted by bench/calibrate.py."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .calibration_params import LEXICAL_ONLY, LEXICAL_ONLY_ANSWER, PERSON, WITH_VECTORS, WITH_VECTORS_ANSWER
from .rank import Ranked
from .rank_features import Floats

ANSWERABLE_MIN = 0.1
"""With both models 93 to 100% of the questions of each development set lie above, and 0 to 54% of those about something else
(77% in BEAM's long chats). With 0.2 a fifth of MetaTool's questions would be lost."""


def scores(ranked: Ranked, best: NDArray[np.int64]) -> Floats:
    """Return the score of each entry, 0..1. ``best``: the best row of each entry, best first.

    Scores fall in this order, except that an entry without any evidence has 0. Above 0.1 lie 98% of the relevant entries,
    at 0.35 F1 is best, above 0.95 nearly all entries are relevant.
    """
    c = LEXICAL_ONLY if ranked.closeness is None else WITH_VECTORS
    total = ranked.total[best]
    place = np.searchsorted(-total, -total)  # entries of equal rank share a place
    odds = c.base + c.total * total - c.place * np.log1p(place)
    found = _chance(odds + _evidence(ranked, c.coverage, c.closeness))
    if ranked.closeness is None:
        found[ranked.lexical[best] <= 0.0] = 0.0  # no word matches, not even beside it
    return np.asarray(np.interp(found, (0.0, c.keep, c.balance, 0.9, 1.0), (0.0, 0.1, 0.35, 0.95, 1.0)), np.float64)


def answer_chance(ranked: Ranked) -> float:
    """Return the chance that what is stored answers the query, from the best row's evidence and, if the query names a person,
    from whether that person's turns match better than those of others."""
    c = LEXICAL_ONLY_ANSWER if ranked.closeness is None else WITH_VECTORS_ANSWER
    chance = float(_chance(c.base + _evidence(ranked, c.coverage, c.closeness)))
    return chance if ranked.lead is None else chance * float(_chance(PERSON.base + PERSON.lead * ranked.lead))


def _evidence(ranked: Ranked, coverage: float, closeness: float) -> float:
    return coverage * float(np.sqrt(max(ranked.coverage, 0.0))) + closeness * (ranked.closeness or 0.0)


def _chance(odds: Floats | float) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(odds))), np.float64)
