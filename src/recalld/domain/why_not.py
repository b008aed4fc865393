"""Why an entry is not among the hits of a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .uri import Uri


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition that a hit meets."""

    name: str
    open: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Ranks:
    """Places of an entry among the ``entries`` compared, from 1: by words, by meaning (by model) and by the rank sum. Equal
    entries share the best place."""

    words: int
    meaning: Mapping[str, int]
    fused: int
    entries: int
    score: float


@dataclass(frozen=True, slots=True)
class Change:
    """The nearest change that opens a gate: ``parameter`` of the query and its new ``value``, None to leave it out.
    ``parameter`` is "" if it is no parameter."""

    parameter: str
    value: float | str | None
    text: str


@dataclass(frozen=True, slots=True)
class EntryFacts:
    """What is known of an entry and a search, in the order of the gates; facts behind a closed gate keep their defaults.

    ``hidden``: the words in which its metadata are refused, "" if they are not; ``unindexed``: why the index has no chunk of it;
    ``excluded``: parameters that leave it out, with the reason; ``matched``: the query's terms in it, of ``terms``;
    ``cosines``: by model, None without a vector; ``ranks``: None if it is no candidate; ``cut``: the threshold;
    ``place``: among the hits without a limit, from 1, 0 if it is none of them.
    """

    uri: Uri
    hidden: str = ""
    unindexed: str = ""
    excluded: tuple[tuple[str, str], ...] = ()
    matched: tuple[str, ...] = ()
    terms: int = 0
    cosines: Mapping[str, float | None] = field(default_factory=dict)
    ranks: Ranks | None = None
    cut: float = 0.0
    place: int = 0
    limit: int = 0


@dataclass(frozen=True, slots=True)
class WhyNot:
    """The gates in order, up to the first closed one. ``found``: all are open, so it is a hit. ``nearest``: None for a hit."""

    uri: Uri
    found: bool
    gates: tuple[Gate, ...]
    ranks: Ranks | None = None
    nearest: Change | None = None
