"""Statistics: what the store holds, what is queued, and what providers were called for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from recalld.domain.job import QueueCount
from recalld.domain.results import VectorCount


@dataclass(frozen=True, slots=True)
class ProviderUsage:
    """Calls to a provider in a UTC day. ``day`` and ``account`` "": of all of them together. ``error``: what was wrong with the
    last call, made at ``at`` ("" = nothing)."""

    day: str
    account: str
    provider: str
    operation: str
    calls: int
    tokens_in: int
    tokens_out: int
    refused: int
    at: float
    error: str


@dataclass(frozen=True, slots=True)
class FileSizes:
    """Sizes of a store that is a file in the data folder. ``schema``: the version of its tables."""

    file_bytes: int
    wal_bytes: int
    schema: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What the store holds, for status, doctor and metrics. ``files``: None where the store is no file in the data folder."""

    nodes: int
    chunks: int
    vectors: int
    messages: int
    sessions: int
    log_seq: int
    blob_bytes: int
    store_id: str
    files: FileSizes | None = None
    partitions: dict[str, int] = field(default_factory=dict)
    embedded: VectorCount = VectorCount(0, 0)


class Stats(Protocol):
    """Counts of the whole store."""

    async def usage(self) -> Usage:
        """Counts and sizes. Indexes are counted, beside what is answered at once: call it seldom."""

    async def queues(self) -> list[QueueCount]:
        """Jobs by kind. ``done`` counts since the store was made."""

    async def provider_usage(self, *, since: str, account: str = "", whole: bool = False) -> list[ProviderUsage]:
        """Calls to providers since that day ("" = ever), of one account ("" = of all); ``whole``: days and accounts together."""
