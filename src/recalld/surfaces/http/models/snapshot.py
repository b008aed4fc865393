"""Requests and results of /snapshot."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from recalld.surfaces.http.models.envelope import Model, Strict

PATHS_MAX = 32
_REFERENCE = "a branch, HEAD, or an oid or the first 4 characters of it and more"
_PATHS = f"may be repeated, up to {PATHS_MAX} times: only what lies at or below one of these"


class CommitBody(Strict):
    """A snapshot to make."""

    message: str
    paths: list[str] | None = Field(None, description="record only what lies at or below these")
    branch: str = "main"
    author_name: str | None = None
    author_email: str | None = None


class LogQuery(Model):
    """Which snapshots."""

    branch: str = "main"
    limit: int = Field(20, ge=1, le=500)
    before: str = Field("", description="only snapshots before this one, the last of the page before: its oid")
    paths: str | None = Field(None, description=_PATHS)


class ShowQuery(Model):
    """A snapshot, or a file as it was."""

    target_ref: str = Field(description=_REFERENCE)
    path: str | None = None
    raw: bool = Field(True, description="false: without a memory's trailer")


class DiffQuery(Model):
    """A file in two snapshots."""

    path: str
    from_: str | None = Field(None, alias="from", description=f"{_REFERENCE}; the one before `to` if left out")
    to: str = Field(description=_REFERENCE)
    raw: bool = Field(True, description="false: without a memory's trailer")


class DiffPathsQuery(Model):
    """Two snapshots."""

    from_: str | None = Field(None, alias="from", description=f"{_REFERENCE}; the one before `to` if left out")
    to: str = Field(description=_REFERENCE)
    paths: str | None = Field(None, description=_PATHS)


class VersionsQuery(Model):
    """A file's past."""

    path: str
    branch: str = "main"
    limit: int = Field(20, ge=1, le=500)
    before: str = Field("", description="only snapshots before this one, the last of the page before: its oid")


class RestoreBody(Strict):
    """A snapshot to bring back."""

    source_commit: str = Field(description=_REFERENCE)
    project_dir: str | None = Field(None, description="only what lies at or below this")
    branch: str = "main"
    dry_run: bool = False
    message: str | None = None
    author_name: str | None = None
    author_email: str | None = None


class IgnoreBody(Strict):
    """What snapshots leave out."""

    content: str


class Person(Model):
    """Who, and when."""

    name: str
    email: str
    time_seconds: int
    tz_offset_seconds: int


class SnapshotShown(Model):
    """One snapshot."""

    oid: str
    tree: str
    parents: list[str]
    author: Person
    committer: Person
    message: str


class CommitResult(Model):
    """What a commit did; `commit_oid` null: there is nothing to record yet."""

    result: Literal["created", "noop"]
    commit_oid: str | None
    changed: int
    ignored: int


class DiffResult(Model):
    """How a file differs."""

    path: str
    from_commit: str | None
    to_commit: str
    change_type: Literal["added", "deleted", "modified", "unchanged"]
    diff_text: str


class PathChange(Model):
    """One path that differs; oids are hashes of contents."""

    path: str
    change_type: Literal["added", "deleted", "modified"]
    old_oid: str | None
    new_oid: str | None


class DiffPathsResult(Model):
    """What differs between two snapshots."""

    from_commit: str | None
    to_commit: str
    paths: list[PathChange]


class FileVersion(Model):
    """A snapshot in which a file changed."""

    commit: SnapshotShown
    change_type: Literal["added", "deleted", "modified"]
    oid: str | None


class VersionsResult(Model):
    """A file's past, newest first."""

    path: str
    versions: list[FileVersion]


class RestoreResult(Model):
    """What a restore did, or would do."""

    result: Literal["applied", "noop", "dry_run"]
    new_commit_oid: str | None = None
    source_commit: str | None = None
    parent_commit: str | None = None
    written: int | None = None
    deleted: int | None = None
    unchanged: int | None = None
    written_paths: list[str] | None = None
    deleted_paths: list[str] | None = None
    task_id: str | None = None
    head: str | None = None
    source: str | None = None
    diff: dict[str, list[Any]] | None = None


class IgnoreResult(Model):
    """What became of the account's .ovgitignore."""

    size: int
