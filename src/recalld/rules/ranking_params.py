"""All numbers of the ranking function, fitted on conversations, chats, documents, code and tools (bench/recall_lab.py)."""

from __future__ import annotations

from dataclasses import dataclass

CUT = 0.1
"""Default threshold: hits must score above it."""


@dataclass(frozen=True, slots=True)
class RankingParams:
    """``back``/``ahead``: share of the evidence of the neighbours 1..4 positions before and after a chunk that counts for it.

    Everything below ``dense`` is on the scale of the fused evidence, where the best chunk has 1.
    """

    back: tuple[float, ...] = (0.6, 0.35, 0.2, 0.1)
    ahead: tuple[float, ...] = (0.4, 0.25, 0.15, 0.1)
    k1: float = 1.2
    b: float = 0.75
    dense: float = 1.0
    neighbour_similarity: float = 0.5
    """Assumed cosine of neighbouring chunks when their blended vector is normalised."""
    group_share: float = 0.2
    speaker: float = 0.2
    role: float = 0.3
    length: float = 0.3
    length_terms: float = 30.0
    asks: float = 0.1
    phrase: float = 0.5


@dataclass(frozen=True, slots=True)
class Calibration:
    """Log-odds of relevance = base + total x rank sum + coverage x sqrt(coverage) + closeness x closeness. Fitted by
    bench/calibrate.py over all development sets so that 98% of the relevant entries score above 0.1 and the best F1
    lies at 0.35."""

    base: float
    total: float
    coverage: float
    closeness: float


DEFAULT = RankingParams()
WITH_VECTORS = Calibration(-3.5509, 1.7912, 0.8447, 0.5858)
LEXICAL_ONLY = Calibration(-3.5407, 1.8881, 1.8109, 0.0)
