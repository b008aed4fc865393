"""Packs: a subtree or a whole account as one portable file."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .uri import Uri


class OnConflict(StrEnum):
    """Behaviour for existing files. FAIL refuses the import; SKIP keeps them; OVERWRITE replaces files of the same
    address and keeps others."""

    FAIL = "fail"
    OVERWRITE = "overwrite"
    SKIP = "skip"


class VectorMode(StrEnum):
    """AUTO and RECOMPUTE compute vectors; REQUIRE refuses a pack whose vectors are of another model."""

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
    """The exported address. ``name`` is the single folder at the top of the archive."""

    name: str
    uri: Uri


@dataclass(frozen=True, slots=True)
class DenseIndex:
    """The vectors of a pack: float32, one row per record, of the model with this fingerprint ("" = unknown)."""

    count: int
    width: int
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A pack's table of contents. ``records``: number of index records; ``ours``: written by recalld, so that
    ``content_sha256`` follows ``rules/pack_format``."""

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
        """True for a backup, which holds scopes of an account and can only be restored."""
        return not self.root.uri.parts


@dataclass(frozen=True, slots=True)
class PackRecord:
    """An entry's index data beyond its bytes. ``updated_at`` in epoch seconds, 0 = unknown."""

    path: str
    level: int
    tags: tuple[str, ...] = ()
    updated_at: float = 0.0
    source: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImportedPack:
    """The outcome of an import or a restore. ``kept``: existing files that stayed; ``left_out``: why parts of the pack
    were skipped, one sentence each, at most a hundred of ``left_out_total``."""

    uri: Uri
    files: int = 0
    kept: int = 0
    directories: int = 0
    sessions: int = 0
    messages: int = 0
    left_out: tuple[str, ...] = ()
    left_out_total: int = 0
