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
    """When a session commits by itself; values above the ceiling are brought down to it."""

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
    """A part that can be switched off."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool = True


class MemoryPolicy(Model):
    """What may be remembered of a session: of the user's own talk, of peers', and an overview of what was archived."""

    model_config = ConfigDict(extra="forbid")

    self: Enabled = Enabled()
    peer: Enabled = Enabled()
    memory_types: list[_MemoryType] | None = Field(None, description="types to keep; left out: every type in force")
    working_memory: Enabled = Enabled()


class EventTags(Model):
    """Tags put on event memories."""

    tags: list[str] = []


class ExtractionConfig(Model):
    """How memories are extracted."""

    events: EventTags = EventTags()


class ConfigBody(Strict):
    """Settings of a session to replace; null takes one away."""

    memory_extraction_config: ExtractionConfig | None = None
    auto_commit_policy: AutoCommitPolicy | None = None


class EventMetadata(Model):
    """What a commit says of its events; ``tags`` [] = none, left out = the session's own."""

    tags: list[str] | None = None


class ExtractionMetadata(Model):
    """What a commit says of the memories it makes."""

    event: EventMetadata | None = None


class CreateSession(TelemetryBody):
    """A session to make; without ``session_id`` it gets one."""

    session_id: str | None = None
    memory_policy: MemoryPolicy | None = None
    auto_commit_policy: AutoCommitPolicy | None = None
    memory_extraction_config: ExtractionConfig | None = None


class MessageIn(Model):
    """One message: ``content`` or ``parts`` (parts win). ``id`` makes a repeated send harmless."""

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
    """Messages to append in this order."""

    messages: list[MessageIn] = Field(max_length=100)


class CommitBody(TelemetryBody):
    """How much of a session stays live when it is committed."""

    keep_recent_count: int = Field(0, ge=0, le=10_000)
    retention_mode: Literal["turn_budget"] | None = None
    keep_recent_turn_count: int | None = Field(None, ge=0)
    retained_message_token_budget: int | None = Field(None, ge=1)
    min_raw_tail_steps: int | None = Field(None, ge=0)
    extraction_metadata: ExtractionMetadata | None = None


class UsedBody(TelemetryBody):
    """What a turn made use of."""

    contexts: list[str] | None = None
    skill: dict[str, Any] | None = None


class SessionQuery(Model):
    """Whether a missing session is made."""

    auto_create: bool = False


class ContextQuery(Model):
    """How many tokens the context may take."""

    token_budget: int = Field(128_000, ge=0)


class SessionsQuery(Model):
    """Which sessions."""

    limit: int = Field(10_000, ge=1, le=10_000)
    offset: int = Field(0, ge=0, le=WHOLE_MAX, description="leave out so many of the newest")


class TasksQuery(Model):
    """Which tasks."""

    task_type: str | None = None
    status: Literal["pending", "running", "cancelling", "completed", "failed", "cancelled"] | None = None
    resource_id: str | None = None
    limit: int = Field(50, ge=1, le=200)
    offset: int = Field(0, ge=0, le=WHOLE_MAX, description="leave out so many of the newest")


class Who(Model):
    """An account and a user in it."""

    account_id: str
    user_id: str


class SessionCreated(Model):
    """A new session."""

    session_id: str
    uri: str
    user: Who
    auto_commit_policy: AutoCommitPolicy | None
    memory_extraction_config: ExtractionConfig


class SessionConfigured(Model):
    """A session's settings as they are now."""

    session_id: str
    auto_commit_policy: AutoCommitPolicy | None
    memory_extraction_config: ExtractionConfig


class Extracted(Model):
    """A memory that was written."""

    uri: str
    memory_type: str
    abstract: str


class SessionListed(Model):
    """A session in the list."""

    session_id: str
    uri: str
    is_dir: bool
    mod_time: str


class SessionMeta(Model):
    """A session's state."""

    model_config = ConfigDict(extra="allow")

    session_id: str
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


class AppendResult(Model):
    """A session after an append. ``added`` (batch) may differ from the number sent."""

    session_id: str
    message_count: int
    pending_tokens: int
    added: int | None = None
    unread_created_at: list[str] | None = None
    """``created_at`` that are not times: those messages are dated by the server."""


class CommitResult(Model):
    """What a commit began; ``status`` skipped says why in ``reason``."""

    session_id: str
    status: Literal["accepted", "skipped"]
    task_id: str | None
    archive_uri: str | None
    archived: bool
    trace_id: str
    estimated_active_tokens: int
    budget_exceeded: bool
    reason: str | None = None


class ContextStats(Model):
    """What a session's context is made of."""

    totalArchives: int
    includedArchives: int
    droppedArchives: int
    failedArchives: int
    activeTokens: int
    archiveTokens: int


class ContextResult(Model):
    """A session's past within a token budget."""

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


class SessionGone(Model):
    """The session that was deleted."""

    session_id: str


class OutputsQuery(Model):
    """Which tool outputs."""

    tool_name: str | None = None
    limit: int = Field(50, ge=1)


class OutputQuery(Model):
    """Which stretch of an output, in Unicode code points."""

    offset: int = Field(0, ge=0, le=WHOLE_MAX)
    limit: int = Field(20_000, ge=-1, description="-1 = all")
    include_metadata: bool = True


class OutputSearchQuery(Model):
    """What to look for in an output, whatever its case."""

    q: str
    limit: int = Field(20, ge=1, le=10_000)
    context_chars: int = Field(300, ge=0, le=10_000)


class Outputs(Model):
    """Tool outputs that lie in files of their own, newest first."""

    tool_results: list[dict[str, Any]]


class OutputText(Model):
    """A stretch of an output."""

    tool_result_id: str
    content: str
    offset: int
    limit: int
    offset_unit: Literal["unicode_code_point"]
    total_chars: int
    has_more: bool
    metadata: dict[str, Any] | None = None


class OutputMatch(Model):
    """Where a word stands in an output."""

    offset: int
    offset_unit: Literal["unicode_code_point"]
    snippet: str


class OutputMatches(Model):
    """Where a word stands in an output."""

    tool_result_id: str
    matches: list[OutputMatch]


class UsedResult(Model):
    """How much the session has used so far."""

    session_id: str
    contexts_used: int
    skills_used: int


class TaskResult(Model):
    """Work under way."""

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
