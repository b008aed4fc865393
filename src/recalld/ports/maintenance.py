"""Upkeep of a store by its primary process: verify contents, sweep files, rebuild what is derived."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from recalld.domain.results import DiskSpace

LEXICON, VECTORS = "lexicon", "vectors"
INDEXES, CHUNKS, TIERS = "indexes", "chunks", "tiers"
"""Indexes of tables, and the tables of chunks and of tiers: without them the catalog is not complete."""
CATALOG = (INDEXES, CHUNKS, TIERS)
STORE = "store"
"""Suspected until the damaged part is known."""


@dataclass(slots=True)
class DerivedState:
    """What is known of derived data, shared by those who search and the one who rebuilds. On one loop.

    ``suspects``: parts that failed with damage since they were last examined. ``rebuilding``: parts that are not complete.
    ``lost``: damaged tables that cannot be made again, since nothing else holds what they hold.
    """

    suspects: set[str] = field(default_factory=set)
    rebuilding: set[str] = field(default_factory=set)
    lost: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Verified:
    """A slice of contents that were read and compared with their hashes: how many, their bytes, a sentence for each that is
    damaged or missing, and the hash after which to go on ("" = that was the last)."""

    contents: int
    bytes: int
    damaged: tuple[str, ...]
    after: str


class Maintenance(Protocol):
    """Only the primary process has one; a worker process has none."""

    @property
    def derived(self) -> DerivedState:
        """See ``DerivedState``."""
        ...

    async def verify(self, *, after: str, bytes_max: int) -> Verified:
        """Compare the next contents with their hashes: at most ``bytes_max``, but at least one. What is damaged or missing is
        remembered until it verifies again."""
        ...

    async def verify_today(self, *, bytes_max: int) -> Verified:
        """The same behind the last slice, wherever a restart came between. A pass over all contents begins at most once a
        day: until then nothing is verified."""
        ...

    async def damaged(self) -> int:
        """How many contents did not verify when they were last looked at."""
        ...

    async def examine(self) -> frozenset[str]:
        """Read the whole store; returns the derived parts that are damaged, and names in ``derived`` the tables that are
        lost. Takes as long as the store is large."""
        ...

    async def recreate(self, part: str) -> None:
        """Replace a damaged part by an empty one, to be filled by ``rebuild``; indexes are made again at once. A job compares
        the index with contents once chunks or tiers have kept what could be read of them."""
        ...

    async def rebuild(self) -> bool:
        """Do a slice of some milliseconds of what is to be filled again; False: nothing is left to do."""
        ...

    async def disk_space(self) -> DiskSpace:
        """How the disk stands. Sets space aside for removals where that is missing and there is room for it."""
        ...

    async def vacuum(self) -> None:
        """Rewrite the database without free and lost pages. Writes wait meanwhile."""
        ...
