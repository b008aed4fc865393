"""Search queries."""

from __future__ import annotations

from dataclasses import dataclass
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
