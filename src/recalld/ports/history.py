"""History: what the tree held after any entry of its log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from recalld.domain.caller import Caller
from recalld.domain.history import FileVersion, LogEntry, LogFilter, LogPage, NodesNow
from recalld.domain.snapshot import Files, Snapshot, Version
from recalld.domain.uri import Uri

Visit = Callable[[int, Files], None]


class Past(Protocol):
    """An account's past bound to one caller: the files of ``resources``, ``agent`` and ``user/{caller.user}`` (role root:
    every user of the account), without sessions and what users keep private.

    Every method raises ``Busy`` when readers are saturated."""

    caller: Caller

    async def end(self) -> int:
        """The log's last sequence number."""

    async def head(self, branch: str) -> Snapshot | None:
        """A branch's newest snapshot; None: the branch has none."""

    async def snapshot(self, oid: str) -> Snapshot:
        """By its oid or the beginning of it (4 characters or more). Raises ``NotFound``; ``Invalid`` if several begin
        like that."""

    async def line(self, branch: str, *, until: int | None = None, limit: int) -> list[Snapshot]:
        """A branch's snapshots, newest first, those that name entries up to ``until``."""

    async def walk(self, points: Sequence[int], under: Sequence[Uri], visit: Visit) -> None:
        """Call ``visit(point, files)`` with the files at and below ``under`` (none = everywhere) as they were after each of
        these entries of the log, in ascending order. ``visit`` runs away from the loop and must only compute; the
        mapping is its own to keep. Raises ``Invalid`` (``RESOURCE_EXHAUSTED``) when that is more than can be held."""

    async def content(self, version: Version) -> bytes:
        """A file's bytes. Raises ``NotFound`` for what this account's log does not name or what has been pruned."""

    async def log(self, wanted: LogFilter, *, before: int = 0, after: int = 0, limit: int) -> LogPage:
        """Entries with ``after`` < seq < ``before`` (0: no bound), newest first, sessions' included. A page may be short, even
        empty, before the end: ``next`` says where to go on."""

    async def entries(self, *, commit: int = 0, cause: str = "", limit: int) -> list[LogEntry]:
        """In log order: those of the commit that entry ``commit`` belongs to, or of every commit with this ``cause``."""

    async def states(self, nodes: Sequence[int], uris: Sequence[Uri]) -> NodesNow:
        """How these nodes stand, and what lies at these addresses, at one moment."""

    async def placed(self, nodes: Sequence[int], seq: int) -> Mapping[int, Uri]:
        """Where nodes lay after log entry ``seq``; without those that were not there then."""

    async def versions(self, uri: Uri, *, before: int = 0, limit: int) -> list[FileVersion]:
        """What the file at an address held, newest first (``before``: seq below this); () if the log knows of none."""

    async def seq_at(self, at: float) -> int:
        """The seq of the last entry made at or before this moment (epoch seconds); 0 if there is none."""

    async def ignore(self) -> str:
        """The account's ``.ovgitignore`` ("" = none)."""


class History(Protocol):
    """The whole store's past, to be bound to a caller."""

    def past(self, caller: Caller) -> Past:
        """Bind a caller. No I/O."""
