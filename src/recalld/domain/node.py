"""The tree's nodes and what one looks like to a reader."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

from .uri import Uri


class Kind(StrEnum):
    """What a node is. A message is a file that only sessions make."""

    DIRECTORY = "directory"
    FILE = "file"
    MESSAGE = "message"


class Level(IntEnum):
    """Tiers: L0 abstract (at most 256 characters), L1 overview (at most 4,000), L2 the text itself."""

    ABSTRACT = 0
    OVERVIEW = 1
    TEXT = 2


class ContextType(StrEnum):
    """What an address holds, told from its path alone."""

    MEMORY = "memory"
    RESOURCE = "resource"
    SKILL = "skill"


@dataclass(frozen=True, slots=True)
class Node:
    """One entry of the tree as one caller sees it.

    ``id`` survives moves; ``version`` counts changes of content and starts at 1; ``hash`` is the sha256 of a file's
    bytes in hex ("" for directories); ``size`` in bytes; ``created_at``/``updated_at`` in epoch seconds; ``abstract``
    is L0 ("" until made); ``source`` says where it came from (an import's path, a memory's messages).
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
        """Directories hold nodes; everything else holds bytes."""
        return self.kind is Kind.DIRECTORY


@dataclass(frozen=True, slots=True)
class Entry:
    """A node of a recursive listing, with its path below the start."""

    node: Node
    rel_path: str
