"""Requests and results of /snapshot."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from recalld.surfaces.http.models.envelope import Model, Strict

PATHS_MAX = 32
_REFERENCE = "a branch, HEAD, or an oid or its first 4 or more characters"
_PATHS = f"may be repeated, up to {PATHS_MAX} times: only what is at or below one of these"


class RecordBody(Strict):
    """What a snapshot is recorded with."""

    branch: str = "main"
    author_name: str | None = None
    author_email: str | None = None


class CommitBody(RecordBody):
    """A snapshot to record."""

    message: str
    paths: list[str] | None = Field(None, description="record only what is at or below these")


class PageQuery(Model):
    """A page of the snapshots of a branch."""

    branch: str = "main"
    limit: int = Field(20, ge=1, le=500)
    before: str = Field("", description="only snapshots before this oid: the last of the previous page")


class LogQuery(PageQuery):
    """Which snapshots to list."""

    paths: str | None = Field(None, description=_PATHS)


class ShowQuery(Model):
    """A snapshot, or a file in it."""

    target_ref: str = Field(description=_REFERENCE)
    path: str | None = None
    raw: bool = Field(True, description="false: without the trailer of a memory")


class PairQuery(Model):
    """Two snapshots to compare."""

    from_: str | None = Field(None, alias="from", description=f"{_REFERENCE}; default: the one before `to`")
    to: str = Field(description=_REFERENCE)


class DiffQuery(PairQuery):
    """A file, and two snapshots to compare it in."""

    path: str
    raw: bool = Field(True, description="false: without the trailer of a memory")


class DiffPathsQuery(PairQuery):
    """Two snapshots to compare."""

    paths: str | None = Field(None, description=_PATHS)


class VersionsQuery(PageQuery):
    """A file whose versions to list."""

    path: str


class RestoreBody(RecordBody):
    """A snapshot to restore."""

    source_commit: str = Field(description=_REFERENCE)
    project_dir: str | None = Field(None, description="restore only what is at or below this")
    dry_run: bool = False
    message: str | None = None


class IgnoreBody(Strict):
    """The text of the ``.ovgitignore``."""

    content: str


class Person(Model):
    """A person, and a time."""

    name: str
    email: str
    time_seconds: int
    tz_offset_seconds: int


class SnapshotShown(Model):
    """A snapshot."""

    oid: str
    tree: str
    parents: list[str]
    author: Person
    committer: Person
    message: str


class CommitResult(Model):
    """The result of a commit. ``commit_oid`` is null while there is nothing to record."""

    result: Literal["created", "noop"]
    commit_oid: str | None
    changed: int
    ignored: int


class PairResult(Model):
    """Two compared snapshots."""

    from_commit: str | None
    to_commit: str


class DiffResult(PairResult):
    """How a file differs."""

    path: str
    change_type: Literal["added", "deleted", "modified", "unchanged"]
    diff_text: str


class PathChange(Model):
    """A path that differs. The oids are hashes of contents."""

    path: str
    change_type: Literal["added", "deleted", "modified"]
    old_oid: str | None
    new_oid: str | None


class DiffPathsResult(PairResult):
    """The paths that differ between two snapshots."""

    paths: list[PathChange]


class FileVersion(Model):
    """A snapshot in which a file changed."""

    commit: SnapshotShown
    change_type: Literal["added", "deleted", "modified"]
    oid: str | None


class VersionsResult(Model):
    """The versions of a file, newest first."""

    path: str
    versions: list[FileVersion]


class RestoreResult(Model):
    """The result of a restore, or with ``dry_run`` its plan."""

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
    """The size of the account's ``.ovgitignore``."""

    size: int
