"""All numbers of the ranking function, fitted on conversations, chats, documents, code and tools (bench/recall_lab.py)."""

from __future__ import annotations

from dataclasses import dataclass

CUT = 0.1
"""Default threshold: hits must score above it."""
FILE, PEOPLE, CHAT = 0, 1, 2
"""Kinds of rows: files, conversations between people, and chats with an assistant."""
ByKind = tuple[float, float, float]
STATIC = "static"
"""Name of the model of static word vectors; every other model is contextual."""
SPACED_ONLY = frozenset({STATIC, "minilm"})
"""Models that know scripts without spaces (Chinese, Japanese, Thai) by single characters only."""


@dataclass(frozen=True, slots=True)
class RankingParams:
    """``back``/``ahead``: share of the evidence of the neighbours 1..4 positions before and after a chunk that counts for it;
    ``lexical_window``, ``static_window``, ``contextual_window``: the part of these shares for words and for vectors, by kind
    of row. ``static_alone``, ``static``, ``contextual``: weight of a model's cosines, by kind of row, where words weigh 1.

    Everything below ``unspaced`` is on the scale of the fused evidence, where the best chunk has 1.
    """

    back: tuple[float, ...] = (0.6, 0.35, 0.2, 0.1)
    ahead: tuple[float, ...] = (0.4, 0.25, 0.15, 0.1)
    lexical_window: ByKind = (1.0, 1.0, 0.5)
    static_window: ByKind = (1.0, 1.0, 0.0)
    contextual_window: ByKind = (1.0, 0.5, 0.0)
    k1: float = 1.2
    b: float = 0.75
    static_alone: ByKind = (1.0, 1.0, 1.0)
    static: ByKind = (1.0, 0.3, 1.0)
    contextual: ByKind = (2.0, 1.0, 0.5)
    unspaced: float = 0.1
    """Part of the weight of ``SPACED_ONLY`` models for a query in a script without spaces."""
    neighbour_similarity: float = 0.5
    """Assumed cosine of neighbouring chunks when their blended vector is normalised."""
    group_share: float = 0.2
    speaker: float = 0.2
    role: float = 0.3
    length: float = 0.3
    length_terms: float = 30.0
    asks: float = 0.1
    phrase: float = 0.5


DEFAULT = RankingParams()
