"""The writer of tiers and memories: extractive by default, a language model by configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from recalld.domain.document import Document, Tiers
from recalld.domain.session import Message


@dataclass(frozen=True, slots=True)
class Child:
    """A directory's entry as its overview sees it."""

    name: str
    is_dir: bool
    abstract: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A memory proposed from an archive.

    ``key`` identifies it within the archive (a retry writes the same path); ``path`` below the memory root, e.g.
    ``events/2024/05/08/lunch_with_ana.md``; ``message_ids`` what it quotes; ``at`` event time in epoch seconds.
    """

    key: str
    type: str
    path: str
    text: str
    message_ids: tuple[str, ...]
    at: float
    peer_id: str = ""


class Model(Protocol):
    """Writes abstracts, overviews and memories. ``name`` and ``version`` are stored with everything it wrote."""

    name: str
    version: str

    async def tiers_of_document(self, name: str, document: Document) -> Tiers:
        """L0 (at most 256 characters) and L1 of one file."""
        ...

    async def tiers_of_directory(self, uri: str, title: str, children: tuple[Child, ...], total: int) -> Tiers:
        """L0 and L1 (at most 4,000 characters) of a directory from its children's abstracts."""
        ...

    async def tiers_of_archive(self, messages: tuple[Message, ...]) -> Tiers:
        """L0 and L1 (the working-memory overview) of an archived stretch of talk."""
        ...

    async def memories(self, messages: tuple[Message, ...]) -> tuple[Candidate, ...]:
        """Memories worth keeping from an archived stretch of talk; every claim quotes its messages."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
