"""Requests and results of /resources, /pack and the system routes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from recalld.surfaces.http.models.envelope import Model, Strict, TelemetryBody, WaitingBody


class AddBody(WaitingBody):
    """A resource to import: an upload (``temp_file_id``) or a source to fetch (``path``)."""

    path: str | None = None
    temp_file_id: str | None = None
    to: str | None = None
    parent: str | None = None
    create_parent: bool = False
    reason: str = ""
    instruction: str = ""
    strict: bool = False
    source_name: str | None = None
    ignore_dirs: str | list[str] | None = None
    include: str | list[str] | None = None
    exclude: str | list[str] | None = None
    directly_upload_media: bool = True
    preserve_structure: bool | None = None
    args: dict[str, Any] = Field(default_factory=dict)
    watch_interval: float = 0
    processing_mode: Literal["semantic_and_vectors", "vectors_only"] = "semantic_and_vectors"
    tags: str | list[str] | None = None
    tag_mode: Literal["replace", "append"] = "replace"
    add_type: str | None = None


class UploadResult(Model):
    """The id of an upload. It is valid for twelve hours."""

    temp_file_id: str


class UploadQuery(Model):
    """``token``: from the tool ``add_resource``, in place of a key."""

    token: str = ""


class AddResult(Model):
    """The import that was started, or with ``wait`` its result."""

    model_config = ConfigDict(extra="allow")

    status: Literal["success", "cancelled"]
    root_uri: str | None = None
    task_id: str | None = None
    errors: list[str] = []
    warnings: list[str] = []


class WaitBody(TelemetryBody):
    """How long to wait. Null is without limit."""

    timeout: float | None = Field(None, ge=0)


class CountQuery(Model):
    """What to count."""

    uri: str = ""
    filter: str | None = None


class Vectors(Model):
    """The number of chunks that have a vector, of how many, and why texts were refused one."""

    made: int
    wanted: int
    refused: dict[str, int] = {}


class CountResult(Model):
    """The number of searchable chunks."""

    count: int
    vectors: Vectors | None = None


class Health(Model):
    """The process answers."""

    status: Literal["ok"]
    healthy: Literal[True]
    version: str
    auth_mode: str


class Ready(Model):
    """Whether the store is open, and the reasons if the server is degraded."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, Any] = {}
    state: Literal["ready", "degraded", "initializing"] = "ready"
    reasons: list[str] = []
    reason: str | None = None
    vectors: Vectors | None = None


class Status(Model):
    """The caller."""

    initialized: bool
    user: str


class Healthy(Model):
    """Whether the server is healthy."""

    healthy: bool


OnConflict = Literal["fail", "overwrite", "skip"]
VectorMode = Literal["auto", "recompute", "require"]


class DownloadQuery(Model):
    """The file to download: an address, or a token that stands for one."""

    uri: str | None = None
    token: str | None = Field(None, description="a single-use token instead of an address and a key")


class ExportBody(Strict):
    """A directory to export."""

    uri: str
    include_vectors: bool = False


class BackupBody(Strict):
    """How to back up an account."""

    include_vectors: bool = False


class RestoreBody(Strict):
    """An uploaded backup."""

    temp_file_id: str
    on_conflict: OnConflict | None = Field(None, description="fail by default")
    vector_mode: VectorMode | None = Field(None, description="auto by default")


class ImportBody(RestoreBody):
    """An uploaded pack, and the directory to import it into."""

    parent: str


class ImportedResult(Model):
    """What was imported, and what was left out."""

    uri: str
    files: int
    kept: int = Field(description="existing files that were not replaced")
    directories: int
    sessions: int
    messages: int = Field(description="new messages")
    left_out: list[str]
    left_out_total: int
