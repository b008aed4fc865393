"""Sessions, messages and archives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .uri import Uri

MESSAGE_BYTES_MAX = 2_097_152
BATCH_MESSAGES_MAX = 100


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    ``ordinal``: position in arrival order from 0, never changes; ``created_at``: the client's time as sent ("" = none),
    ``at``: the same in epoch seconds (arrival time if none); ``parts``: API parts (text, context, tool, image_url) as
    plain JSON; ``text``: shown to readers and indexed; ``archive``: 0 while live, else the archive's number.
    """

    id: str
    role: str
    parts: tuple[dict[str, Any], ...]
    text: str
    created_at: str = ""
    at: float = 0.0
    peer_id: str = ""
    turn_id: str = ""
    kind: str = ""
    source_message_ids: tuple[str, ...] = ()
    ordinal: int = -1
    archive: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Session:
    """A session's state. ``config`` holds the API's policies (auto_commit_policy, memory_policy, ...) as plain JSON."""

    id: str
    uri: Uri
    created_at: float
    updated_at: float
    message_count: int = 0
    total_message_count: int = 0
    pending_tokens: int = 0
    commit_count: int = 0
    keep_recent_count: int = 0
    last_commit_at: float = 0.0
    last_message_at: float = 0.0
    contexts_used: int = 0
    skills_used: int = 0
    memories_extracted: dict[str, int] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Archive:
    """The messages archived by one commit. ``state``: pending, done or failed (``error`` says why)."""

    number: int
    uri: Uri
    created_at: float
    message_count: int
    state: str = "pending"
    abstract: str = ""
    overview: str = ""
    error: str = ""
    task_id: str = ""

    @property
    def id(self) -> str:
        """The API's id: ``archive_001``."""
        return f"archive_{self.number:03d}"
