"""Nodes of the tree, as a caller sees them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .uri import Uri


class Kind(StrEnum):
    """The kind of a node. A message is a file that only sessions create."""

    DIRECTORY = "directory"
    FILE = "file"
    MESSAGE = "message"


class ContextType(StrEnum):
    """The type of an address, which follows from its path."""

    MEMORY = "memory"
    RESOURCE = "resource"
    SKILL = "skill"


@dataclass(frozen=True, slots=True)
class Node:
    """One entry of the tree as one caller sees it.

    ``id`` survives moves; ``version`` counts changes of content and starts at 1; ``hash`` is the sha256 of a file's
    bytes in hex ("" for directories); ``size`` in bytes; ``created_at``/``updated_at`` in epoch seconds; ``abstract``
    is L0 ("" until generated); ``source``: where it came from (an import's path, a memory's messages).
    """

    id: int
    uri: Uri
    kind: Kind
    version: int = 1
    size: int = 0
    hash: str = ""
    media: str = ""
    created_at: float = 0.0
    updated_at: float = 0.0
    abstract: str = ""
    tags: tuple[str, ...] = ()
    source: dict[str, Any] = field(default_factory=dict)

    @property
    def is_dir(self) -> bool:
        """True for directories; all other nodes hold bytes."""
        return self.kind is Kind.DIRECTORY


@dataclass(frozen=True, slots=True)
class Entry:
    """A node of a recursive listing, with its path relative to the start."""

    node: Node
    rel_path: str
