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
    score above it, None = the default threshold; ``ignored``: parts of the filter that are not applied; ``extra``: hits
    returned beyond the limit, which do not change the order of those before; ``explain``: the answer has a trajectory and
    its hits have features.
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
    extra: int = 0
    explain: bool = False

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
class Passage:
    """The part of a hit's text that answers best, with its white space folded.

    ``headings``: those above it, outermost first; ``line_start``/``line_end``: the file's lines, from 1, both included (0 =
    unknown: the text is no part of the file as stored); ``marks``: where the question's words are in ``text``, as
    [start, end), ascending and apart.
    """

    text: str
    headings: tuple[str, ...] = ()
    line_start: int = 0
    line_end: int = 0
    marks: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """What an answer shows beyond its hits. ``passages``: the passage of each hit; ``fold``: hits with nearly the same text
    are one; ``gap``: hits far below the best are left out."""

    passages: bool = False
    fold: bool = False
    gap: bool = False


@dataclass(frozen=True, slots=True)
class Feature:
    """One part of a hit's score. ``raw``: its value before scaling; ``share``: what it adds to the score, negative if it lowers
    it; ``note``: what it measures."""

    name: str
    raw: float
    share: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """One hit. ``score`` in 0..1 falls with the order of the hits; one threshold fits every query and store.

    ``chunk``: id of its best chunk; ``passage``: None unless it was wanted; ``folded``: addresses of hits with nearly the
    same text, best first, which this one stands for; ``features``: for a query that explains, their shares add up to the
    score.
    """

    uri: Uri
    type: ContextType
    level: int
    score: float
    abstract: str
    tags: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    features: tuple[Feature, ...] = ()
    chunk: int = 0
    passage: Passage | None = None
    folded: tuple[Uri, ...] = ()


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a search: its name, its duration and a note."""

    name: str
    took_ms: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """A hit, and the ways by which it was found."""

    uri: Uri
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """An entry that is no hit, and the rule that cut it: ``threshold``, ``limit``, ``duplicate``, ``reranker``, ``fold`` or
    ``gap``."""

    uri: Uri
    score: float
    rule: str


@dataclass(frozen=True, slots=True)
class Trajectory:
    """How an answer was found. ``taken``: the hits; ``cut``: the best entries that are no hits;
    ``confidence``: the chance that what is stored answers the query."""

    taken: tuple[Taken, ...] = ()
    cut: tuple[Cut, ...] = ()
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits in descending score. ``degraded`` names late or missing parts (() = complete). ``ignored``: parts of the
    query's filter that were not applied. ``terms``: the information of each of the query's terms here, in nats.
    ``weaker``: number of hits that the gap rule left out; ``trajectory``: for a query that explains. ``answer_chance``: the
    chance that what is stored answers the query; ``answerable``: it is likely (a reranker does not change it)."""

    hits: tuple[Hit, ...]
    degraded: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = ()
    ignored: tuple[str, ...] = ()
    terms: dict[str, float] = field(default_factory=dict)
    weaker: int = 0
    trajectory: Trajectory | None = None
    answer_chance: float = 0.0
    answerable: bool = False
