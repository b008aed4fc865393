"""Requests and results of /resources, /pack, /observer, /stats and the system routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict, Field

from recalld.rules.memory_stats import CATEGORIES
from recalld.surfaces.http.models.envelope import Model, Strict, TelemetryBody, WaitingBody
from recalld.surfaces.http.models.session import UsedResult


class AddBody(WaitingBody):
    """A resource to import: an upload (``temp_file_id``) or a source to fetch (``path``)."""

    path: str | None = None
    temp_file_id: str | None = None
    to: str | None = None
    parent: str | None = None
    create_parent: bool = False
    reason: str = ""
    instruction: str = ""
    strict: bool = False
    source_name: str | None = None
    ignore_dirs: str | list[str] | None = None
    include: str | list[str] | None = None
    exclude: str | list[str] | None = None
    directly_upload_media: bool = True
    preserve_structure: bool | None = None
    args: dict[str, Any] = Field(default_factory=dict)
    watch_interval: float = 0
    processing_mode: Literal["semantic_and_vectors", "vectors_only"] = "semantic_and_vectors"
    tags: str | list[str] | None = None
    tag_mode: Literal["replace", "append"] = "replace"
    add_type: str | None = None


class UploadResult(Model):
    """The id of an upload. It is valid for twelve hours."""

    temp_file_id: str


class UploadQuery(Model):
    """``token``: from the tool ``add_resource``, in place of a key."""

    token: str = ""


class AddResult(Model):
    """The import that was started, or with ``wait`` its result."""

    model_config = ConfigDict(extra="allow")

    status: Literal["success", "cancelled"]
    root_uri: str | None = None
    task_id: str | None = None
    errors: list[str] = []
    warnings: list[str] = []


class WaitBody(TelemetryBody):
    """How long to wait. Null is without limit."""

    timeout: float | None = Field(None, ge=0)


class CountQuery(Model):
    """What to count."""

    uri: str = ""
    filter: str | None = None


class Vectors(Model):
    """The number of chunks that have a vector, of how many, and why texts were refused one: of the model that lacks most."""

    made: int
    wanted: int
    refused: dict[str, int] = {}
    model: str = ""


class CountResult(Model):
    """The number of searchable chunks."""

    count: int
    vectors: Vectors | None = None


class Health(Model):
    """The process answers."""

    status: Literal["ok"]
    healthy: Literal[True]
    version: str
    auth_mode: str


class Ready(Model):
    """Whether the store is open, and the reasons if the server is degraded."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, Any] = {}
    state: Literal["ready", "degraded", "initializing"] = "ready"
    reasons: list[str] = []
    reason: str | None = None
    vectors: Vectors | None = None


class Status(Model):
    """The caller."""

    initialized: bool
    user: str


class Healthy(Model):
    """Whether the server is healthy."""

    healthy: bool


OnConflict = Literal["fail", "overwrite", "skip"]
VectorMode = Literal["auto", "recompute", "require"]


class DownloadQuery(Model):
    """The file to download: an address, or a token that stands for one."""

    uri: str | None = None
    token: str | None = Field(None, description="a single-use token instead of an address and a key")


class ExportBody(Strict):
    """A directory to export."""

    uri: str
    include_vectors: bool = False


class BackupBody(Strict):
    """How to back up an account."""

    include_vectors: bool = False


class RestoreBody(Strict):
    """An uploaded backup."""

    temp_file_id: str
    on_conflict: OnConflict | None = Field(None, description="fail by default")
    vector_mode: VectorMode | None = Field(None, description="auto by default")


class ImportBody(RestoreBody):
    """An uploaded pack, and the directory to import it into."""

    parent: str


class ImportedResult(Model):
    """What was imported, and what was left out."""

    uri: str
    files: int
    kept: int = Field(description="existing files that were not replaced")
    directories: int
    sessions: int
    messages: int = Field(description="new messages")
    left_out: list[str]
    left_out_total: int


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
