"""Maintenance of a store by its primary process, and capabilities that a store may lack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from recalld.domain.results import DiskSpace


@dataclass(frozen=True, slots=True)
class Verified:
    """A slice of contents and messages that were read and compared with their hashes: how many, their bytes, a sentence for each
    that is damaged or missing, and what to pass as ``after`` to go on ("" = that was the last)."""

    contents: int
    bytes: int
    damaged: tuple[str, ...]
    after: str


class Maintenance(Protocol):
    """What keeps a store sound."""

    async def set_wanted_model(self, fingerprint: str, width: int) -> None:
        """Name the model whose vectors every chunk needs ("" = none). If that is another one than before, all chunks are
        listed as unembedded, but for those that have its vector already."""

    async def probe(self) -> float:
        """One real write and read; returns seconds taken. Raises ``Upstream`` or ``Busy``."""

    async def check(self, *, repair: bool = False) -> list[str]:
        """Integrity check: what is wrong, one sentence each (repaired where ``repair``)."""

    async def prune(self, *, keep_s: float) -> int:
        """Erase what was removed more than ``keep_s`` seconds ago. Drop contents that no node has any more and no log entry of
        the last ``keep_s`` seconds names, tasks that ended long ago, vectors of models out of use, and blobs that nothing
        names; returns how many contents went. The log itself stays."""

    async def verify(self, *, after: str, bytes_max: int) -> Verified:
        """Compare the next contents with their hashes: at most ``bytes_max``, but at least one. What is damaged or missing is
        remembered until it verifies again."""

    async def verify_today(self, *, bytes_max: int) -> Verified:
        """The same behind the last slice, wherever a restart came between. A pass over all contents begins at most once a
        day: until then nothing is verified."""

    async def damaged(self) -> int:
        """How many contents did not verify when they were last looked at."""


class Compactable(Protocol):
    """A capability: removed data stays in the store's own files until they are compacted."""

    async def compact(self) -> None:
        """Make the store's file complete, without what was overwritten."""

    async def rewrite(self) -> None:
        """Rewrite the store without free and lost space. Writes wait meanwhile."""


class DiskUsage(Protocol):
    """A capability: the store lies on a disk of ours, with space set aside for removals."""

    async def disk_space(self) -> DiskSpace:
        """How the disk stands. Sets space aside for removals where that is missing and there is room for it."""
