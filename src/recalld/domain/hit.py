"""What recall answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from .node import ContextType
from .uri import Uri


@dataclass(frozen=True, slots=True)
class Source:
    """Where a hit's words come from; session fields are "" for files."""

    uri: Uri
    session_id: str = ""
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """One found entry. ``score`` in 0..1 is a fixed monotone map of the evidence, the same for every query and store."""

    uri: Uri
    type: ContextType
    level: int
    score: float
    abstract: str
    tags: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    features: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the way to an answer: its name, how long it took and what it says."""

    name: str
    took_ms: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits in descending score. ``degraded`` names the parts that were late or missing (() = complete).
    ``ignored``: parts of the query's filter that the hits are not narrowed by."""

    hits: tuple[Hit, ...]
    degraded: tuple[str, ...] = ()
    trajectory: tuple[Stage, ...] = ()
    ignored: tuple[str, ...] = ()
