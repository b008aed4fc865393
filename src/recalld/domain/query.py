"""Searches and their results."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from .node import ContextType
from .uri import Uri

QUERY_CHARS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Epoch seconds from ``since`` to ``until``, both included, against ``field`` (``updated_at`` or ``created_at``)."""

    field: str
    since: float = -inf
    until: float = inf


@dataclass(frozen=True, slots=True)
class Query:
    """One query.

    ``targets``: subtrees to search, () = the caller's own tree and the account's resources; ``types``/``levels``: () =
    all; ``tags``: ``k=v``, all of which must match; ``since``/``until``: epoch seconds against ``time_field``
    (``updated_at`` or ``created_at``); ``ranges``: further ranges, all of which must match; ``score_min``: hits must
    score above it, None = the default threshold; ``ignored``: parts of the filter that are not applied.
    """

    text: str
    targets: tuple[Uri, ...] = ()
    types: tuple[ContextType, ...] = ()
    levels: tuple[int, ...] = ()
    limit: int = 10
    score_min: float | None = None
    tags: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    time_field: str = "updated_at"
    exclude_session: str = ""
    messages: bool = True
    ranges: tuple[TimeRange, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def times(self) -> tuple[TimeRange, ...]:
        """All time ranges."""
        if self.since is None and self.until is None:
            return self.ranges
        since = -inf if self.since is None else self.since
        return (TimeRange(self.time_field, since, inf if self.until is None else self.until), *self.ranges)


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
