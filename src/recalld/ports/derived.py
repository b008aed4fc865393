"""What is derived from the ledger and can be built again, and the capability to do so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

LEXICON, VECTORS = "lexicon", "vectors"
INDEXES, CHUNKS, TIERS = "indexes", "chunks", "tiers"
"""Indexes of tables, and the tables of chunks and of tiers: without them the catalog is not complete."""
CATALOG = (INDEXES, CHUNKS, TIERS)
STORE = "store"
"""Suspected until the damaged part is known."""


@dataclass(slots=True)
class DerivedState:
    """What is known of derived data, shared by searches and by what rebuilds it. On one loop.

    ``suspects``: parts that failed with damage since they were last examined. ``rebuilding``: parts that are not complete.
    ``lost``: damaged tables that cannot be built again, since nothing else holds what they hold.
    """

    suspects: set[str] = field(default_factory=set)
    rebuilding: set[str] = field(default_factory=set)
    lost: frozenset[str] = frozenset()


class Rebuildable(Protocol):
    """A capability: the store finds damage in its derived parts and builds them again. A database server does this itself."""

    async def examine(self) -> frozenset[str]:
        """Read the whole store; returns the derived parts that are damaged, and names in ``DerivedState`` the tables that
        are lost. Takes as long as the store is large."""

    async def recreate(self, part: str) -> None:
        """Replace a damaged part by an empty one, to be filled by ``rebuild``; indexes are built again at once. A job compares
        the index with contents once chunks or tiers have kept what could be read of them."""

    async def rebuild(self) -> bool:
        """Do a slice of some milliseconds of what is to be filled again; False: nothing is left to do."""
