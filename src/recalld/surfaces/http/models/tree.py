"""Requests and results of the tree and its index: /fs and /content."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from recalld.surfaces.http.models.envelope import WHOLE_MAX, Model, Strict, TelemetryBody, WaitingBody

LISTED_MAX = 100_000


class UriQuery(Model):
    """An address."""

    uri: str


class ListQuery(UriQuery):
    """What to list of each entry, and how many."""

    output: Literal["agent", "original"] = "agent"
    abs_limit: int = Field(256, ge=0, description="largest number of characters of an abstract")
    show_all_hidden: bool = False
    node_limit: int = Field(1000, ge=1, le=LISTED_MAX)
    limit: int | None = Field(None, ge=1, le=LISTED_MAX, description="the same as node_limit; takes precedence")


class LsQuery(ListQuery):
    """How to list a directory. ``recursive`` lists three levels."""

    simple: bool = Field(False, description="addresses only")
    recursive: bool = False
    sort_by: Literal["name", "mtime"] | None = None
    sort_order: Literal["asc", "desc"] = "asc"


class TreeQuery(ListQuery):
    """How to list a subtree."""

    level_limit: int = Field(3, ge=1, le=64)


class ReadQuery(UriQuery):
    """Which lines of a file to read."""

    offset: int = Field(0, ge=0, le=WHOLE_MAX, description="first line, from 0")
    limit: int = Field(-1, ge=-1, description="number of lines, -1 = all")
    raw: bool = Field(False, description="include the trailer of a memory")
    at: str = Field("", description='as of this log position, time or age (10m); "" = now')


class RmQuery(UriQuery):
    """What to remove."""

    recursive: bool = False
    wait: bool = False
    timeout: float | None = Field(None, ge=0)


class MkdirBody(TelemetryBody):
    """A directory to create."""

    uri: str
    description: str | None = None


class MvBody(TelemetryBody):
    """A file or subtree to move."""

    from_uri: str
    to_uri: str


class CpBody(MvBody):
    """A file or subtree to copy."""

    recursive: bool = False


class WriteBody(WaitingBody):
    """A file to write."""

    uri: str
    content: str
    mode: Literal["replace", "append", "create"] = "replace"
    if_version: int | None = Field(
        None, ge=0, description="replace only this version (fs/stat: meta.version; 0: only a missing file), else 409"
    )
    processing_mode: Literal["semantic_and_vectors", "vectors_only"] = "semantic_and_vectors"


class BatchOperation(Model):
    """A file of a batch: ``content`` or ``content_base64``."""

    model_config = ConfigDict(extra="forbid")

    uri: str
    content: str | None = None
    content_base64: str | None = None
    mode: Literal["replace", "append", "create", "upsert"] = "replace"


class BatchBody(Strict):
    """Files to write in one commit, all or none."""

    root_uri: str
    operations: list[BatchOperation]
    wait: bool = True
    timeout: float | None = Field(None, ge=0)


class UriResult(Model):
    """An address."""

    uri: str


class EntryShown(Model):
    """What every entry has."""

    size: int
    isDir: bool
    modTime: str


class Listed(EntryShown):
    """An entry, in the form for agents."""

    uri: str
    abstract: str
    rel_path: str | None = None


class OriginalEntry(EntryShown):
    """An entry as a file system shows it."""

    name: str
    mode: int


class ListedOriginal(OriginalEntry):
    """An entry, in OpenViking's original form."""

    uri: str
    rel_path: str | None = None
    abstract: str | None = None


class Stat(OriginalEntry):
    """Metadata of an entry. ``count``: the number of searchable chunks below a directory."""

    isLocked: bool
    meta: dict[str, Any] = {}
    count: int | None = None


class QueueStatus(Model):
    """The work of one queue."""

    processed: int
    requeue_count: int
    error_count: int
    errors: list[dict[str, Any]]


class Removed(UriResult):
    """The result of a removal."""

    estimated_deleted_count: int
    semantic_root_uri: str | None = None
    semantic_status: str | None = None
    queue_status: dict[str, QueueStatus] | None = None


class Moved(Model):
    """The result of a move."""

    model_config = ConfigDict(populate_by_name=True)

    source: str = Field(alias="from")
    to: str


class Copied(Moved):
    """The result of a copy."""

    recursive: bool
    copied_count: int


class WriteResult(UriResult):
    """The result of a write. A status is queued, complete, failed, skipped or deferred."""

    root_uri: str
    context_type: str
    mode: str
    written_bytes: int
    content_updated: Literal[True]
    semantic_status: str
    vector_status: str
    queue_status: dict[str, QueueStatus] | None = None
    overview_status: str | None = None


class BatchResult(Model):
    """The result of a batch."""

    root_uri: str
    created: list[str]
    updated: list[str]
    unchanged: list[str]
    queue_status: dict[str, QueueStatus] | None = None
    semantic_status: str | None = None
    vector_status: str | None = None


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
