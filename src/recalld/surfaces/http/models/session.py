"""Requests and results of /sessions and /tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict, Field, StrictInt, field_validator

from recalld.domain.memory_type import MEMORY_TYPES
from recalld.surfaces.http.models.envelope import WHOLE_MAX, Model, Strict, TelemetryBody

if TYPE_CHECKING:
    _MemoryType = str
else:
    _MemoryType = Literal[tuple(one.name for one in MEMORY_TYPES if one.in_policies)]
_POLICY_MAX = {
    "pending_token_threshold": 1_000_000,
    "message_count_threshold": 1_000,
    "idle_timeout_seconds": 604_800,
    "keep_recent_count": 10_000,
}


class AutoCommitPolicy(Model):
    """When a session is committed automatically. Values above the maximum are lowered to it."""

    model_config = ConfigDict(extra="forbid")

    pending_token_threshold: StrictInt = Field(150_000, ge=0)
    message_count_threshold: StrictInt = Field(100, ge=0)
    idle_timeout_seconds: StrictInt = Field(86_400, ge=0)
    keep_recent_count: StrictInt = Field(0, ge=0)
    min_commit_interval_seconds: StrictInt = Field(0, ge=0)

    @field_validator(*_POLICY_MAX)
    @classmethod
    def _within(cls, value: int, info: Any) -> int:
        return min(value, _POLICY_MAX[info.field_name])


class Enabled(Model):
    """A feature that can be turned off."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool = True


class MemoryPolicy(Model):
    """What is extracted from a session: the user's own messages, those of peers, and an overview of the archive."""

    model_config = ConfigDict(extra="forbid")

    self: Enabled = Enabled()
    peer: Enabled = Enabled()
    memory_types: list[_MemoryType] | None = Field(
        None, description="memory types to extract; default: all active types"
    )
    working_memory: Enabled = Enabled()


class EventTags(Model):
    """Tags of event memories."""

    tags: list[str] = []


class ExtractionConfig(Model):
    """How memories are extracted."""

    events: EventTags = EventTags()


class ConfigBody(Strict):
    """Settings of a session to replace. Null removes a setting."""

    memory_extraction_config: ExtractionConfig | None = None
    auto_commit_policy: AutoCommitPolicy | None = None


class EventMetadata(Model):
    """Tags of the events of this commit. ``[]`` is none; if left out, the session's own."""

    tags: list[str] | None = None


class ExtractionMetadata(Model):
    """Metadata of the memories of this commit."""

    event: EventMetadata | None = None


class CreateSession(TelemetryBody):
    """A session to create. Without ``session_id`` the server chooses one."""

    session_id: str | None = None
    memory_policy: MemoryPolicy | None = None
    auto_commit_policy: AutoCommitPolicy | None = None
    memory_extraction_config: ExtractionConfig | None = None


class MessageIn(Model):
    """A message: ``content`` or ``parts`` (``parts`` takes precedence). A repeated request with the same ``id`` adds nothing."""

    model_config = ConfigDict(extra="ignore")

    role: str
    content: str | list[Any] | None = None
    parts: list[dict[str, Any]] | None = None
    id: str | None = None
    peer_id: str | None = None
    created_at: Any = None
    turn_id: str | None = None
    message_kind: Literal["user_query", "assistant_step", "tool_transport", "checkpoint"] | None = None
    source_message_ids: list[str] | None = None


class MessageBody(MessageIn, TelemetryBody):
    """A message to append."""


class BatchMessages(TelemetryBody):
    """Messages to append, in this order."""

    messages: list[MessageIn] = Field(max_length=100)


class CommitBody(TelemetryBody):
    """How much of a session stays live after a commit."""

    keep_recent_count: int = Field(0, ge=0, le=10_000)
    retention_mode: Literal["turn_budget"] | None = None
    keep_recent_turn_count: int | None = Field(None, ge=0)
    retained_message_token_budget: int | None = Field(None, ge=1)
    min_raw_tail_steps: int | None = Field(None, ge=0)
    extraction_metadata: ExtractionMetadata | None = None


class UsedBody(TelemetryBody):
    """The contexts and the skill that a turn used."""

    contexts: list[str] | None = None
    skill: dict[str, Any] | None = None


class SessionQuery(Model):
    """Whether to create a missing session."""

    auto_create: bool = False


class ContextQuery(Model):
    """The token budget of the context."""

    token_budget: int = Field(128_000, ge=0)


class SessionsQuery(Model):
    """Which sessions to list."""

    limit: int = Field(10_000, ge=1, le=10_000)
    offset: int = Field(0, ge=0, le=WHOLE_MAX, description="skip this many of the newest")


class TasksQuery(Model):
    """Which tasks to list."""

    task_type: str | None = None
    status: Literal["pending", "running", "cancelling", "completed", "failed", "cancelled"] | None = None
    resource_id: str | None = None
    limit: int = Field(50, ge=1, le=200)
    offset: int = Field(0, ge=0, le=WHOLE_MAX, description="skip this many of the newest")


class Who(Model):
    """An account and a user in it."""

    account_id: str
    user_id: str


class SessionRef(Model):
    """A session."""

    session_id: str


class SessionConfigured(SessionRef):
    """The settings of a session after the change."""

    auto_commit_policy: AutoCommitPolicy | None
    memory_extraction_config: ExtractionConfig


class SessionCreated(SessionConfigured):
    """A new session."""

    uri: str
    user: Who


class Extracted(Model):
    """A memory that was written."""

    uri: str
    memory_type: str
    abstract: str


class SessionListed(SessionRef):
    """A session in a list."""

    uri: str
    is_dir: bool
    mod_time: str


class SessionMeta(SessionRef):
    """The state of a session."""

    model_config = ConfigDict(extra="allow")

    uri: str
    user: Who
    created_at: str
    updated_at: str
    message_count: int
    total_message_count: int
    commit_count: int
    pending_tokens: int
    memories_extracted: dict[str, int]
    auto_commit_policy: dict[str, Any] | None
    memory_extraction_config: dict[str, Any]


class AppendResult(SessionRef):
    """A session after an append. ``added`` (batch only) is smaller than the number of messages if some were there already."""

    message_count: int
    pending_tokens: int
    added: int | None = None
    unread_created_at: list[str] | None = None
    """Values of ``created_at`` that are not times; these messages got the server's time."""


class CommitResult(SessionRef):
    """The result of a commit. For ``status`` skipped, ``reason`` says why."""

    status: Literal["accepted", "skipped"]
    task_id: str | None
    archive_uri: str | None
    archived: bool
    trace_id: str
    estimated_active_tokens: int
    budget_exceeded: bool
    reason: str | None = None


class ContextStats(Model):
    """Figures of a session's context."""

    totalArchives: int
    includedArchives: int
    droppedArchives: int
    failedArchives: int
    activeTokens: int
    archiveTokens: int


class ContextResult(Model):
    """The overview of the newest archive and the live messages, within a token budget."""

    latest_archive_overview: str
    pre_archive_abstracts: list[Any]
    messages: list[dict[str, Any]]
    estimatedTokens: int
    stats: ContextStats


class ArchiveResult(Model):
    """A finished archive."""

    archive_id: str
    abstract: str
    overview: str
    messages: list[dict[str, Any]]


class SessionDeleted(SessionRef):
    """A deleted session."""


class OutputsQuery(Model):
    """Which tool outputs to list."""

    tool_name: str | None = None
    limit: int = Field(50, ge=1)


class OutputQuery(Model):
    """Which part of a tool output to read, in Unicode code points."""

    offset: int = Field(0, ge=0, le=WHOLE_MAX)
    limit: int = Field(20_000, ge=-1, description="-1 = all")
    include_metadata: bool = True


class OutputSearchQuery(Model):
    """What to search for in a tool output. Case is ignored."""

    q: str
    limit: int = Field(20, ge=1, le=10_000)
    context_chars: int = Field(300, ge=0, le=10_000)


class Outputs(Model):
    """Tool outputs that are stored as files of their own, newest first."""

    tool_results: list[dict[str, Any]]


class OutputText(Model):
    """A part of a tool output."""

    tool_result_id: str
    content: str
    offset: int
    limit: int
    offset_unit: Literal["unicode_code_point"]
    total_chars: int
    has_more: bool
    metadata: dict[str, Any] | None = None


class OutputMatch(Model):
    """A match in a tool output."""

    offset: int
    offset_unit: Literal["unicode_code_point"]
    snippet: str


class OutputMatches(Model):
    """The matches in a tool output."""

    tool_result_id: str
    matches: list[OutputMatch]


class UsedResult(SessionRef):
    """The session's totals."""

    contexts_used: int
    skills_used: int


class TaskResult(Model):
    """A background task."""

    task_id: str
    task_type: str
    status: Literal["pending", "running", "cancelling", "completed", "failed", "cancelled"]
    created_at: float
    updated_at: float
    resource_id: str | None
    meta: dict[str, Any]
    stage: str | None
    result: dict[str, Any] | None
    error: str | None
    created_at_iso: str
    updated_at_iso: str
