"""What verbs answer with, where it is not a node, a hit or a session."""

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
    """What a write did. ``indexed``: the next search sees it (False: a job is doing it, ``pending`` > 0)."""

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
    """Matches in tree order; ``complete`` False: the limit or the deadline cut it short."""

    matches: tuple[LineMatch, ...]
    files_scanned: int
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Added:
    """What an import began: where it will be, the task that does it, and what was told so far."""

    root_uri: Uri
    task_id: str
    warnings: tuple[str, ...] = ()
    result: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did."""

    session_id: str
    added: int
    message_count: int
    pending_tokens: int
    message_ids: tuple[str, ...]
    unread_times: tuple[str, ...] = ()
    """``created_at`` that are not times: those messages carry the server's."""


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
    """A memory that was written: its file, its type and what it says in a sentence or two."""

    uri: Uri
    type: str
    abstract: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """A tool's output that lies in a file of its own: ``text`` from code point ``offset`` of ``chars_total``."""

    id: str
    text: str
    offset: int
    chars_total: int
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MissingRecord:
    """A node without the index rows it ought to have at one level."""

    uri: Uri
    node_id: int
    level: int


@dataclass(frozen=True, slots=True)
class Consistency:
    """What the index ought to hold below an address: how many records, how many are missing, and the first of those.
    ``dead``: records of what was removed there and is not cleaned up yet; nobody can find them. ``refused``: texts without a
    vector, since the embedder refused them, by reason; they are found by their words."""

    expected: int
    missing: int
    first: tuple[MissingRecord, ...] = ()
    dead: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attributes:
    """A node's tags, and of a memory the fields of its trailer (None for anything else)."""

    uri: Uri
    tags: tuple[str, ...]
    memory: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Tagged:
    """What setting tags did: the nodes that changed, how many were as wished already, and the tags as understood."""

    uri: Uri
    updated: tuple[Uri, ...]
    skipped: int
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reindexing:
    """What a reindex began: its task, and whether it is about a directory or a file."""

    uri: Uri
    task_id: str
    object_type: str
    mode: str


@dataclass(frozen=True, slots=True)
class SessionContext:
    """A session's past as fits a token budget: the newest finished archive's overview and the raw messages after it."""

    overview: str
    messages: tuple[dict[str, Any], ...]
    tokens: int
    archives_total: int
    archives_failed: int
    active_tokens: int
    archive_tokens: int


@dataclass(frozen=True, slots=True)
class VectorCount:
    """Pieces of the index that have a vector of the model that is wanted (``made``), and all of them (``wanted``). ``refused``:
    those without one since the embedder refused their text, by reason."""

    made: int
    wanted: int
    refused: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """The disk of the data folder. ``reserve_bytes``: set aside for removals; ``complete``: as much as shall be."""

    free_bytes: int
    reserve_bytes: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Readiness:
    """Honest health. ``state``: ready or degraded; ``reasons`` why; ``checks`` by part."""

    state: str
    reasons: tuple[str, ...]
    checks: dict[str, str] = field(default_factory=dict)
    vectors: VectorCount | None = None
    """When last counted; None: no embedder, or not counted yet."""


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
    """Recalled text ready to be put before a model, with how it was chosen. ``digest``: its gist with citations;
    ``ignored``: parts of the filter that it is not narrowed by."""

    entries: tuple[ContextEntry, ...]
    rendered: str
    stats: dict[str, Any]
    degraded: tuple[str, ...] = ()
    digest: str = ""
    ignored: tuple[str, ...] = ()
