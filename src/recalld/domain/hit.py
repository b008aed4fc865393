"""Results of a search."""

from __future__ import annotations

from dataclasses import dataclass, field

from .node import ContextType
from .uri import Uri


@dataclass(frozen=True, slots=True)
class Source:
    """Where a hit's text is from; session fields are "" for files."""

    uri: Uri
    session_id: str = ""
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """One hit. ``score`` in 0..1 is a fixed monotone function of the evidence, the same for every query and store."""

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
    """One stage of a search: its name, its duration and a note."""

    name: str
    took_ms: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits in descending score. ``degraded`` names late or missing parts (() = complete). ``ignored``: parts of the
    query's filter that were not applied."""

    hits: tuple[Hit, ...]
    degraded: tuple[str, ...] = ()
    trajectory: tuple[Stage, ...] = ()
    ignored: tuple[str, ...] = ()
