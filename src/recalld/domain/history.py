"""What the log tells: its entries, the versions of one file, and what undoing a change would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .node import Kind
from .uri import Uri

DERIVED = frozenset({"tiers", "index", "reown"})
"""Operations that only followed from others: a summary, an index or an owner was brought up to date."""


@dataclass(frozen=True, slots=True)
class Purged:
    """``contents`` that were erased, and how many bytes of the disk are free then (None: nobody knows)."""

    contents: int
    free_bytes: int | None


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One change. ``node``: the node's id; ``before``/``after``: content hashes ("" = none); ``txn``: seq of the first entry
    of the same commit (0: this is the first); ``detail``: what the operation keeps beside, such as a move's source."""

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
        """The seq that names the commit this entry belongs to."""
        return self.txn or self.seq


@dataclass(frozen=True, slots=True)
class LogPage:
    """Entries, newest first. ``next``: entries with a smaller seq come on the next page (0: there are none). ``sentences``:
    abstracts of the memories among them, by node."""

    entries: tuple[LogEntry, ...]
    next: int
    sentences: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which entries: at and below ``under`` (None: everywhere), of these operations (none: all but ``DERIVED``) and of this actor
    ("" = all)."""

    under: Uri | None = None
    ops: tuple[str, ...] = ()
    actor: str = ""


@dataclass(frozen=True, slots=True)
class FileVersion:
    """What a file held from log entry ``seq`` on. ``hash`` "": it was removed there. ``kept``: its content can be read.
    ``living``: the file is the one that lies at the address now."""

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
    living: bool = False


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node now. ``uri``: where it lies, or lay when it was removed (None: it is erased, or below something removed).

    ``restorable``: it is the top of a removed subtree that is still kept. ``children``: ids of a living directory's entries.
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
    """Remove what was created. ``since``: with all that lies in it, unless any of that has changed after this log position
    (0: it is a file, or an empty directory)."""

    uri: Uri
    hash: str
    since: int = 0


@dataclass(frozen=True, slots=True)
class RestoreRemoved:
    """Bring a removed subtree back."""

    uri: Uri
    node: int


@dataclass(frozen=True, slots=True)
class MoveBack:
    """Move a subtree back to where it came from."""

    uri: Uri
    to: Uri


@dataclass(frozen=True, slots=True)
class WriteBack:
    """Give a file the content ``hash`` again; ``node``: the file whose log names it; ``expect``: what it holds now;
    ``source``: where that content came from."""

    uri: Uri
    node: int
    hash: str
    expect: str
    source: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Retag:
    """Give an entry its former tags again, and with them its former origin (None: it stays). ``expect``: its tags now."""

    uri: Uri
    tags: tuple[str, ...]
    expect: tuple[str, ...] = ()
    source: dict[str, Any] | None = None


Step = RemoveCreated | RestoreRemoved | MoveBack | WriteBack | Retag


@dataclass(frozen=True, slots=True)
class SkippedChange:
    """What an undo leaves as it is, and why."""

    uri: str
    reason: str


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """Steps in the order they are to be done, and what is left as it is."""

    steps: tuple[Step, ...]
    skipped: tuple[SkippedChange, ...]


@dataclass(frozen=True, slots=True)
class Undone:
    """An undo that was done (``seq``: its last log entry) or only planned (0). ``cause`` names it in the log: undoing that
    cause does the change again. ``of``: the commits it concerns."""

    of: tuple[int, ...]
    cause: str
    plan: UndoPlan
    seq: int
