"""Limits, in one place, each with its unit. Flows and surfaces read them; nothing else holds a bare number."""

from __future__ import annotations

from dataclasses import dataclass

ABSTRACT_CHARS_MAX = 256
OVERVIEW_CHARS_MAX = 4_000
LEFT_OUT_MAX = 2_000
"""Paths that who sends an import may name as left out of it."""
UPLOAD_BYTES_MAX = 512 * 1024 * 1024
DOCUMENT_BYTES_MAX = 32 * 1024 * 1024
"""A text larger than this is refused: no part of it would be worth an index entry."""
WRITE_BYTES_MAX = 8 * 1024 * 1024
INLINE_INDEX_CHARS_MAX = 2_000_000
"""Texts up to this are indexed before their write is acknowledged; longer ones by a job."""
BATCH_OPERATIONS_MAX = 256
BATCH_BYTES_MAX = 16 * 1024 * 1024
JSON_DEPTH_MAX = 100
SECTION_TOKENS = 1_500
SECTION_TOKENS_MAX = 2_000
CHUNK_WORDS = 80
CHUNK_OVERLAP_WORDS = 20
FILE_CHUNK_WORDS = 160
ZIP_ENTRIES_MAX = 50_000
ZIP_BYTES_MAX = 2 * 1024 * 1024 * 1024
ZIP_RATIO_MAX = 200
TAGS_MAX = 64
"""Tags a node may have."""
TAGGED_NODES_MAX = 10_000
REINDEXED_FILES_MAX = 100_000


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """How talk is recorded, in characters.

    Tool outputs longer than ``output_chars_max`` lie in files of their own (0 = never), as do the largest ones of a turn
    whose outputs together exceed ``turn_chars_max``. A message keeps a preview of ``preview_chars``, fewer where the
    previews of one turn would exceed ``turn_previews_chars``. ``auto_commit``: sessions that say nothing of it commit by
    themselves.
    """

    output_chars_max: int = 20_000
    preview_chars: int = 2_000
    turn_chars_max: int = 100_000
    turn_previews_chars: int = 10_000
    preview_chars_min: int = 1_000
    auto_commit: bool = False


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long recall waits for parts it can do without: a question's vector, a second look at the best hits."""

    embed_s: float = 0.5
    rerank_s: float = 1.0


@dataclass(frozen=True, slots=True)
class CostPolicy:
    """What the language model may cost: tokens and calls of a UTC day, and of one import's files."""

    tokens_per_day_max: int = 200_000
    calls_per_day_max: int = 2_000
    tokens_per_import_max: int = 100_000
    calls_per_import_max: int = 1_000


@dataclass(frozen=True, slots=True)
class DayPolicy:
    """What a provider of vectors or second looks may cost in a UTC day, of all accounts together; 0 = no limit."""

    tokens_max: int = 0
    calls_max: int = 0

    def reached(self, calls: int, tokens: int) -> bool:
        """Whether that is all there may be."""
        return 0 < self.calls_max <= calls or 0 < self.tokens_max <= tokens


@dataclass(frozen=True, slots=True)
class JobPolicy:
    """How long and how often a kind of job may try."""

    attempts_max: int = 5
    deadline_s: float = 3_600.0
    backoff_s: float = 2.0
    backoff_max_s: float = 300.0
