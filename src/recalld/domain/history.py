"""The log: its entries, the versions of a file, and the plan of an undo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .node import Kind
from .uri import Uri

DERIVED = frozenset({"tiers", "index", "reown"})
"""Operations that only followed from others: an update of a summary, an index or an owner."""


@dataclass(frozen=True, slots=True)
class Purged:
    """The number of erased ``contents``, and the bytes of disk freed (None: unknown)."""

    contents: int
    free_bytes: int | None


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One change. ``node``: the node's id; ``before``/``after``: content hashes ("" = none); ``txn``: seq of the first
    entry of the same commit (0: this is the first); ``detail``: extra data of the operation, such as a move's
    source."""

    seq: int
    at: float
    actor: str
    op: str
    node: int
    uri: str
    before: str
    after: str
    cause: str
    txn: int = 0
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def commit(self) -> int:
        """The seq that identifies this entry's commit."""
        return self.txn or self.seq


@dataclass(frozen=True, slots=True)
class LogPage:
    """Entries, newest first. ``next``: the next page has entries with a smaller seq (0: none). ``sentences``: abstracts
    of the memories among them, by node."""

    entries: tuple[LogEntry, ...]
    next: int
    sentences: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Selects entries: at and below ``under`` (None: everywhere), of these operations (none: all but ``DERIVED``) and
    of this actor ("" = all)."""

    under: Uri | None = None
    ops: tuple[str, ...] = ()
    actor: str = ""


@dataclass(frozen=True, slots=True)
class FileVersion:
    """A file's content from log entry ``seq`` on. ``hash`` "": removed there. ``kept``: its content can be read."""

    seq: int
    at: float
    actor: str
    op: str
    uri: str
    node: int
    hash: str
    size: int
    cause: str
    kept: bool


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node's present state. ``uri``: its address, or the one it had when it was removed (None: erased, or below a
    removed directory).

    ``restorable``: the top of a removed subtree that is not purged. ``children``: ids of a living directory's entries.
    """

    id: int
    kind: Kind
    alive: bool
    restorable: bool
    uri: Uri | None
    hash: str = ""
    tags: tuple[str, ...] = ()
    source: dict[str, Any] = field(default_factory=dict)
    children: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class NodesNow:
    """Nodes by id and living nodes by address, read at one moment; ``end``: the log's last seq then."""

    states: Mapping[int, NodeState]
    occupants: Mapping[Uri, int]
    end: int


@dataclass(frozen=True, slots=True)
class RemoveCreated:
    """Remove a created node. ``since``: with all its contents, unless any of them changed after this log position (0: a
    file or an empty directory)."""

    uri: Uri
    hash: str
    since: int = 0


@dataclass(frozen=True, slots=True)
class RestoreRemoved:
    """Restore a removed subtree."""

    uri: Uri
    node: int


@dataclass(frozen=True, slots=True)
class MoveBack:
    """Move a subtree back."""

    uri: Uri
    to: Uri


@dataclass(frozen=True, slots=True)
class WriteBack:
    """Restore a file's content ``hash``. ``node``: the file of the log entry; ``expect``: its present content;
    ``source``: the source of the restored content."""

    uri: Uri
    node: int
    hash: str
    expect: str
    source: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Retag:
    """Restore a node's tags and source (None: unchanged). ``expect``: its present tags."""

    uri: Uri
    tags: tuple[str, ...]
    expect: tuple[str, ...] = ()
    source: dict[str, Any] | None = None


Step = RemoveCreated | RestoreRemoved | MoveBack | WriteBack | Retag


@dataclass(frozen=True, slots=True)
class SkippedChange:
    """A change that an undo skips, and why."""

    uri: str
    reason: str


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """Steps in order, and skipped changes."""

    steps: tuple[Step, ...]
    skipped: tuple[SkippedChange, ...]


@dataclass(frozen=True, slots=True)
class Undone:
    """An undo that was applied (``seq``: its last log entry) or only planned (0). ``cause`` identifies it in the log:
    undoing that cause redoes the change. ``of``: the commits it concerns."""

    of: tuple[int, ...]
    cause: str
    plan: UndoPlan
    seq: int
