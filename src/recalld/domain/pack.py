"""Packs: a subtree, or all of an account, as one file that can be carried elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .uri import Uri


class OnConflict(StrEnum):
    """What an import does where something is already. FAIL refuses it whole; SKIP leaves what is there; OVERWRITE
    replaces files of the same address and leaves the others."""

    FAIL = "fail"
    OVERWRITE = "overwrite"
    SKIP = "skip"


class VectorMode(StrEnum):
    """AUTO and RECOMPUTE make vectors anew; REQUIRE refuses a pack whose vectors are not this store's model's."""

    AUTO = "auto"
    RECOMPUTE = "recompute"
    REQUIRE = "require"


@dataclass(frozen=True, slots=True)
class PackEntry:
    """One file or directory of a pack; ``path`` is relative to the pack's root, ``sha256`` of a file's bytes in hex."""

    path: str
    is_dir: bool
    size: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class PackRoot:
    """Where a pack was taken from. ``name`` is the one folder at the top of the archive."""

    name: str
    uri: Uri


@dataclass(frozen=True, slots=True)
class DenseIndex:
    """The vectors of a pack: float32, one row per record, made by the model of this fingerprint ("" = not said)."""

    count: int
    width: int
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A pack's table of contents. ``records``: how many index records it has; ``ours``: recalld wrote it, so that
    ``content_sha256`` is known to be made as ``rules/pack_format`` makes it."""

    root: PackRoot
    entries: tuple[PackEntry, ...]
    content_sha256: str
    records: int = 0
    records_sha256: str = ""
    dense: DenseIndex | None = None
    scopes: tuple[str, ...] = ()
    ours: bool = False

    @property
    def is_backup(self) -> bool:
        """A backup holds scopes of an account and can only be restored."""
        return not self.root.uri.parts


@dataclass(frozen=True, slots=True)
class PackRecord:
    """What the index knew of one entry beyond its bytes. ``updated_at`` in epoch seconds, 0 = not said."""

    path: str
    level: int
    tags: tuple[str, ...] = ()
    updated_at: float = 0.0
    source: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImportedPack:
    """What an import or a restore did. ``kept``: files that were there and stayed; ``left_out``: why something of the
    pack has no place here, one sentence each, at most a hundred of ``left_out_total``."""

    uri: Uri
    files: int = 0
    kept: int = 0
    directories: int = 0
    sessions: int = 0
    messages: int = 0
    left_out: tuple[str, ...] = ()
    left_out_total: int = 0
