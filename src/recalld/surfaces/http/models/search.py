"""Requests and results of /search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from recalld.rules.context import ALL_CATEGORIES, CATEGORIES
from recalld.rules.search_request import LIMIT_MAX as HITS_MAX
from recalld.surfaces.http.models.envelope import Model, Strict, TelemetryBody

LIMIT_MAX = 10_000
"""Largest number of lines of a grep."""
if TYPE_CHECKING:
    Category = str
    PenaltyCategory = str
else:
    Category, PenaltyCategory = Literal[CATEGORIES], Literal[ALL_CATEGORIES]
Detail = Literal["auto", "abstract", "overview", "full"]
PinnedDetail = Literal["auto", "uri", "abstract", "overview", "full"]


def _pieces(value: object) -> object:
    """``"0,1"`` and ``1`` are accepted as lists too."""
    if isinstance(value, str):
        return [piece.strip() for piece in value.split(",") if piece.strip()]
    return [value] if isinstance(value, int) and not isinstance(value, bool) else value


def _types(value: object) -> object:
    """Join types, separated by commas, alone or in a list, into one list."""
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return [piece for v in value for piece in _split(v)]
    return _split(value) if isinstance(value, str) else value


def _split(text: str) -> list[str]:
    return [piece.strip().lower() for piece in text.split(",") if piece.strip()]


Levels = Annotated[
    list[Annotated[int, Field(ge=0, le=2)]],
    BeforeValidator(_pieces),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": 2},
                {"type": "string"},
                {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 2}},
            ]
        }
    ),
]
Types = Annotated[
    list[Literal["memory", "resource", "skill"]],
    BeforeValidator(_types),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
            "description": "memory, resource, skill",
        }
    ),
]


class FindBody(Strict):
    """A search. Without ``target_uri`` it covers the caller's own tree and the account's resources."""

    query: str = ""
    image_url: str | None = None
    target_uri: str | list[str] = ""
    context_type: Types | None = None
    limit: int = Field(10, ge=1, le=HITS_MAX)
    node_limit: int | None = Field(None, ge=1, le=HITS_MAX, description="the same as limit; takes precedence")
    score_threshold: float | None = Field(None, allow_inf_nan=False)
    filter: dict[str, Any] | None = None
    include_provenance: bool = False
    tags: list[str] | None = None
    since: str | None = None
    until: str | None = None
    time_field: Literal["updated_at", "created_at"] | None = None
    level: Levels | None = None
    include_passage: bool = Field(False, description="each hit has its passage")
    fold: bool = Field(False, description="hits with nearly the same text are one, which names the others")
    gap: bool = Field(False, description="leave out hits that score less than half of the best")


class BlockFields(Model):
    """What shapes a context block."""

    query_expansion: Literal["off", "auto"] = "auto"
    quotas: dict[Category, Annotated[int, Field(ge=0, le=1000)]] | None = None
    purpose: Literal["chat", "coding"] | None = None
    detail: Detail | dict[PenaltyCategory, PinnedDetail] | None = None
    exclude_uris: list[str] = Field(default_factory=list, max_length=200)
    peer_scope: Literal["all", "actor"] = "all"
    other_peer_penalty: float | dict[PenaltyCategory, float] | None = None
    rewrite: bool | Literal["auto"] = False
    rewrite_max_bullets: int = Field(6, ge=1, le=20)


class ContextFields(BlockFields):
    """The fields of ``mode=context``."""

    max_tokens: int = Field(1600, ge=64, le=32_000)
    dedup_turns: int = Field(0, ge=0, le=100)


class SearchBody(FindBody, ContextFields):
    """A search, optionally in the context of a session. ``mode`` context returns a block for a prompt."""

    session_id: str | None = None
    mode: Literal["list", "context"] = "list"


class RecallBody(Strict, BlockFields):
    """The older form of a request for a context block."""

    query: str
    max_chars: int = Field(6500, ge=1, le=1_000_000)
    min_score: float = Field(0.1, allow_inf_nan=False)
    render: bool | Literal["full", "compact"] = True
    session_id: str | None = None
    max_tokens: int | None = Field(None, ge=64, le=32_000)
    score_threshold: float | None = Field(None, allow_inf_nan=False)
    dedup_turns: int | None = Field(None, ge=0, le=100)


class GrepBody(TelemetryBody):
    """A pattern to match against lines."""

    uri: str
    pattern: str
    exclude_uri: str | None = None
    case_insensitive: bool = False
    node_limit: int = Field(256, ge=1, le=LIMIT_MAX)
    level_limit: int = Field(10, ge=1, le=64)


class GlobBody(TelemetryBody):
    """A pattern to match against paths below ``uri``."""

    pattern: str
    uri: str = "viking://"
    node_limit: int = Field(256, ge=1, le=100_000)


class PassageResult(Model):
    """The part of a hit's text that answers best, with white space folded. Lines count from 1, null = unknown; ``marks``:
    where the question's words are in ``text``, in code points, end excluded."""

    text: str
    headings: list[str]
    line_start: int | None
    line_end: int | None
    marks: list[tuple[int, int]]


class HitResult(Model):
    """A hit. ``passage`` with ``include_passage`` (null where the abstract is all there is), ``folded`` with ``fold``."""

    model_config = ConfigDict(extra="forbid")

    context_type: Literal["memory", "resource", "skill"]
    uri: str
    level: int
    score: float
    abstract: str
    tags: list[str]
    passage: PassageResult | None = None
    folded: list[str] | None = None


class SourceResult(Model):
    """A source of a hit."""

    uri: str
    session_id: str | None = None
    message_id: str | None = None


class FeatureResult(Model):
    """A part of a hit's score. ``raw``: its value before scaling; ``share``: what it adds to the score."""

    name: str
    raw: float
    share: float
    note: str


class Provenance(Model):
    """The sources of a hit, best first, and the features of its score; their shares add up to it."""

    uri: str
    sources: list[SourceResult]
    features: list[FeatureResult]


class StageResult(Model):
    """A stage of a search."""

    name: str
    ms: float
    note: str


class TakenResult(Model):
    """A hit, and the ways by which it was found."""

    uri: str
    by: list[str]


class CutResult(Model):
    """An entry that is no hit, and the rule that cut it."""

    uri: str
    score: float
    rule: str


class TrajectoryResult(Model):
    """How an answer was found. ``confidence``: the chance that what is stored answers the query; ``answerable``: it is
    likely."""

    stages: list[StageResult]
    taken: list[TakenResult]
    cut: list[CutResult]
    degraded: list[str]
    confidence: float
    answerable: bool


class FindResult(Model):
    """Hits by type, each list in descending order of score. ``weaker``, with ``gap``: how many hits were left out;
    ``provenance`` and ``trajectory``: with ``include_provenance``."""

    memories: list[HitResult]
    resources: list[HitResult]
    skills: list[HitResult]
    total: int
    provenance: list[Provenance] | None = None
    weaker: int | None = None
    trajectory: TrajectoryResult | None = None


class WhyNotBody(FindBody):
    """The body of a find, and the address of an entry that was expected among its hits."""

    uri: str


class GateResult(Model):
    """A condition that a hit meets."""

    name: str
    open: bool
    detail: str


class RanksResult(Model):
    """Places among the ``entries`` compared, from 1; ``meaning`` by model."""

    words: int
    meaning: dict[str, int]
    fused: int
    entries: int


class NearestResult(Model):
    """The nearest change that opens the gate. ``parameter``: a field of the body, with its new value (null: leave it out);
    null if it is no field."""

    parameter: str | None = None
    value: float | str | None = None
    text: str


class WhyNotResult(Model):
    """The gates up to the first closed one. ``found``: it is a hit."""

    uri: str
    found: bool
    gates: list[GateResult]
    score: float | None = None
    ranks: RanksResult | None = None
    nearest: NearestResult | None = None


class BlockEntry(Model):
    """An entry of a context block."""

    uri: str
    category: str
    score: float
    detail: str
    text: str
    origin: str


class BlockResult(Model):
    """A context block. ``rendered`` is its text for a prompt."""

    entries: list[BlockEntry]
    rendered: str
    digest: str
    stats: dict[str, Any]


class LineResult(Model):
    """A matching line. ``line`` counts from 1."""

    line: int
    uri: str
    content: str


class GrepResult(Model):
    """Matching lines in tree order. ``truncated``: there are more, or the time limit was reached."""

    matches: list[LineResult]
    count: int
    match_count: int
    files_scanned: int
    truncated: bool


class GlobResult(Model):
    """Matching addresses. ``truncated``: there are more than ``node_limit``."""

    matches: list[str]
    count: int
    truncated: bool
