"""Requests and results of /observer, /stats, /debug/vector and /watches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from recalld.rules.memory_stats import CATEGORIES
from recalld.surfaces.http.models.envelope import Model
from recalld.surfaces.http.models.session import UsedResult

if TYPE_CHECKING:
    Category = str
else:
    Category = Literal[CATEGORIES]


class Observed(Model):
    """A part of the server. ``status`` is a table for people."""

    name: str
    is_healthy: bool
    has_errors: bool
    status: str


class SystemObserved(Model):
    """All parts of the server, and their errors."""

    healthy: bool
    is_healthy: bool
    errors: list[str]
    components: dict[str, Observed]


class MemoriesQuery(Model):
    """Which memories to count."""

    category: Category | None = None


class Hotness(Model):
    """The number of memories by the age of their last change."""

    cold: int
    warm: int
    hot: int


class Staleness(Model):
    """The number of memories without a change for a time, and the age of the oldest."""

    not_accessed_7d: int
    not_accessed_30d: int
    oldest_memory_age_days: float


class MemoriesResult(Model):
    """Figures of the caller's own memories."""

    total_memories: int
    by_category: dict[str, int]
    hotness_distribution: Hotness
    staleness: Staleness


class SessionFigures(UsedResult):
    """Figures of a session."""

    total_turns: int
    memories_extracted: int


class ScrollQuery(Model):
    """Which chunks to return."""

    uri: str = ""
    cursor: str | None = None
    limit: int = Field(100, ge=1, le=1000)


class ScrollResult(Model):
    """Chunks of the index in the order of their creation. ``next_cursor`` is null on the last page."""

    records: list[dict[str, Any]]
    next_cursor: str | None


class WatchesQuery(Model):
    """Which watched sources to list."""

    active_only: bool = False
    to_uri: str | None = None


class WatchesResult(Model):
    """Watched sources."""

    tasks: list[dict[str, Any]]
    total: int


class UsageQuery(Model):
    """The number of UTC days, today included."""

    days: int = Field(7, ge=1, le=366)


class UsageTotal(Model):
    """Calls and tokens. ``refused``: calls not made because the budget was used up."""

    calls: int
    tokens_in: int
    tokens_out: int
    refused: int


class UsageRow(UsageTotal):
    """Calls to one provider on one day for one purpose."""

    day: str
    account_id: str
    provider: str
    operation: str


class ProviderBudget(Model):
    """What a provider was used for today, by all accounts together. ``state``: ok, that the budget is used up, and for the language
    model not_configured or the error of the last call. A limit of 0 means no limit, except for the language model.
    """

    provider: str
    state: str
    tokens_today: int
    calls_today: int
    tokens_per_day_max: int
    calls_per_day_max: int


class ModelBudget(ProviderBudget):
    """The budget of the language model, with the limits of one import."""

    tokens_per_import_max: int
    calls_per_import_max: int


class UsageResult(Model):
    """What calls to providers cost."""

    days: int
    rows: list[UsageRow]
    total: UsageTotal
    model: ModelBudget
    providers: list[ProviderBudget]
