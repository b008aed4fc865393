"""Limits, in one place, each with its unit. Flows and surfaces read them; nothing else holds a bare number."""

from __future__ import annotations

from dataclasses import dataclass

ABSTRACT_CHARS_MAX = 256
OVERVIEW_CHARS_MAX = 4_000
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


@dataclass(frozen=True, slots=True)
class JobPolicy:
    """How long and how often a kind of job may try."""

    attempts_max: int = 5
    deadline_s: float = 3_600.0
    backoff_s: float = 2.0
    backoff_max_s: float = 300.0
