"""Requests and results of attributes, tags, reindexing and consistency."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from recalld.surfaces.http.models.envelope import Model, Strict, TelemetryBody


class Attrs(Model):
    """The tags of an entry, and the fields of a memory."""

    tags: list[str]
    memory: dict[str, Any] | None = None


class AttrsResult(Model):
    """The attributes of an entry."""

    uri: str
    context_type: str
    attrs: Attrs


class TagsBody(Strict):
    """Tags to set. Those that are not ``key=value`` are ignored."""

    uri: str
    tags: list[str] = Field(max_length=1_000)
    mode: Literal["replace", "append"] = "replace"
    recursive: bool = False


class TagsResult(Model):
    """The result of setting tags."""

    uri: str
    updated_uris: list[str]
    root_uri: str
    context_type: str
    tags: list[str]
    mode: str
    success_count: int
    skipped_count: int
    failed_count: int
    tags_updated: bool


class ReindexBody(Strict):
    """What to reindex. ``dry_run`` requires the mode ``prune_orphans``."""

    uri: str
    mode: Literal["vectors_only", "semantic_and_vectors", "prune_orphans"] = "vectors_only"
    wait: bool = True
    dry_run: bool = False
    recursive: bool = True
    tags: list[str] | str | None = None
    tag_mode: Literal["replace", "append"] = "replace"


class ReindexResult(Model):
    """The result of a reindex (``completed``), how else it ended, or its task (``accepted``)."""

    status: Literal["completed", "accepted", "cancelled"]
    uri: str
    object_type: str
    mode: str
    task_id: str | None = None
    scanned_records: int | None = None
    rebuilt_records: int | None = None
    deleted_records: int | None = None
    would_delete_records: int | None = None
    unsupported_records: int | None = None
    failed_records: int | None = None
    duration_ms: float | None = None
    warnings: list[str] | None = None


class ConsistencyBody(TelemetryBody):
    """The subtree to check."""

    uri: str


class MissingRecord(Model):
    """A record that is missing from the index."""

    uri: str
    path: str
    level: int
    key: str


class ConsistencyResult(Model):
    """Whether a subtree is in the index."""

    ok: bool
    expected_count: int
    missing_record_count: int
    missing_records: list[MissingRecord]
    missing_records_truncated: bool
    refused_texts: dict[str, int] = {}
