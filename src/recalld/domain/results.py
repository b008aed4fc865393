"""Results of operations other than nodes, hits and sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .commit import WriteMode
from .uri import Uri


@dataclass(frozen=True, slots=True)
class Operation:
    """One file of a batch write. ``append`` adds to the end instead of replacing (the file must exist)."""

    uri: Uri
    data: bytes
    mode: WriteMode = WriteMode.REPLACE
    append: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """The result of a write. ``indexed``: the next search sees it (False: a job will index it, ``pending`` > 0)."""

    created: tuple[Uri, ...]
    updated: tuple[Uri, ...]
    unchanged: tuple[Uri, ...]
    bytes_written: int
    indexed: bool
    pending: int
    degraded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LineMatch:
    """One matching line, 1-based."""

    uri: Uri
    line: int
    content: str


@dataclass(frozen=True, slots=True)
class GrepReport:
    """Matches in tree order; ``complete`` False: a limit or the deadline ended the search."""

    matches: tuple[LineMatch, ...]
    files_scanned: int
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Added:
    """An accepted import: its target, its task, and its progress so far."""

    root_uri: Uri
    task_id: str
    warnings: tuple[str, ...] = ()
    result: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Appended:
    """The result of an append."""

    session_id: str
    added: int
    message_count: int
    pending_tokens: int
    message_ids: tuple[str, ...]
    unread_times: tuple[str, ...] = ()
    """``created_at`` values that are not times; those messages have the server's time."""


@dataclass(frozen=True, slots=True)
class Committed:
    """Phase one of a session's commit. ``archived`` False: ``reason`` says why (no_messages, all_within_keep_window)."""

    session_id: str
    archived: bool
    task_id: str = ""
    archive_uri: str = ""
    reason: str = ""
    active_tokens: int = 0
    budget_exceeded: bool = False


@dataclass(frozen=True, slots=True)
class Remembered:
    """A written memory: its file, its type and its abstract."""

    uri: Uri
    type: str
    abstract: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """A tool output stored separately: ``text`` from code point ``offset`` of ``chars_total``."""

    id: str
    text: str
    offset: int
    chars_total: int
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MissingRecord:
    """A node without index rows at one level."""

    uri: Uri
    node_id: int
    level: int


@dataclass(frozen=True, slots=True)
class Consistency:
    """Index rows below an address: expected, missing, and the first missing ones. ``dead``: rows of removed nodes that
    are not purged yet and never found. ``refused``: texts that the embedder refused, by reason; they are found
    lexically."""

    expected: int
    missing: int
    first: tuple[MissingRecord, ...] = ()
    dead: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attributes:
    """A node's tags and, for memories, the fields of the footer (None otherwise)."""

    uri: Uri
    tags: tuple[str, ...]
    memory: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Tagged:
    """The result of setting tags: changed nodes, the number of unchanged ones, and the normalised tags."""

    uri: Uri
    updated: tuple[Uri, ...]
    skipped: int
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reindexing:
    """A started reindex: its task, and whether it is of a directory or a file."""

    uri: Uri
    task_id: str
    object_type: str
    mode: str


@dataclass(frozen=True, slots=True)
class SessionContext:
    """A session within a token budget: the newest finished archive's overview and the raw messages after it."""

    overview: str
    messages: tuple[dict[str, Any], ...]
    tokens: int
    archives_total: int
    archives_failed: int
    active_tokens: int
    archive_tokens: int


@dataclass(frozen=True, slots=True)
class VectorCount:
    """Chunks with a vector of a configured model (``made``), and all chunks (``wanted``). ``refused``: chunks without one
    since the embedder refused their text, by reason; ``model``: the embedder's name."""

    made: int
    wanted: int
    refused: Mapping[str, int] = field(default_factory=dict)
    model: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """``done`` of ``total``."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """The disk of the data folder. ``reserve_bytes``: set aside for removals; ``complete``: the reserve has its full
    size."""

    free_bytes: int
    reserve_bytes: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Readiness:
    """Health of the engine. ``state``: ready or degraded; ``reasons``: why; ``checks`` by part."""

    state: str
    reasons: tuple[str, ...]
    checks: dict[str, str] = field(default_factory=dict)
    vectors: tuple[VectorCount, ...] = ()
    """By model, at the last count; (): no embedder, or not counted yet."""
    derived: Progress | None = None
    """How far texts of an earlier derivation are derived again; None: all are."""


@dataclass(frozen=True, slots=True)
class ContextEntry:
    """One entry of an assembled context block."""

    uri: Uri
    category: str
    score: float
    detail: str
    text: str
    origin: str = "self"


@dataclass(frozen=True, slots=True)
class ContextBlock:
    """Recalled text for a prompt, and how it was selected. ``digest``: its summary with citations; ``ignored``: parts
    of the filter that were not applied."""

    entries: tuple[ContextEntry, ...]
    rendered: str
    stats: dict[str, Any]
    degraded: tuple[str, ...] = ()
    digest: str = ""
    ignored: tuple[str, ...] = ()
