"""The past: what the tree held at any place in its log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from recalld.domain.caller import Caller
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
        ...

    async def head(self, branch: str) -> Snapshot | None:
        """A branch's newest snapshot; None: the branch has none."""
        ...

    async def snapshot(self, oid: str) -> Snapshot:
        """By its oid or the beginning of it (4 characters or more). Raises ``NotFound``; ``Invalid`` if several begin
        like that."""
        ...

    async def line(self, branch: str, *, until: int | None = None, limit: int) -> list[Snapshot]:
        """A branch's snapshots, newest first, those that name entries up to ``until``."""
        ...

    async def walk(self, points: Sequence[int], under: Sequence[Uri], visit: Visit) -> None:
        """Call ``visit(point, files)`` with the files at and below ``under`` (none = everywhere) as they were after each of
        these entries of the log, in ascending order. ``visit`` runs away from the loop and must only compute; the
        mapping is its own to keep. Raises ``Invalid`` (``RESOURCE_EXHAUSTED``) when that is more than can be held."""
        ...

    async def content(self, version: Version) -> bytes:
        """A file's bytes. Raises ``NotFound`` for what this account's log does not name or what has been pruned."""
        ...

    async def ignore(self) -> str:
        """The account's ``.ovgitignore`` ("" = none)."""
        ...


class History(Protocol):
    """The whole store's past, to be bound to a caller."""

    def past(self, caller: Caller) -> Past:
        """Bind a caller. No I/O."""
        ...
