"""Requests and results of the past: the log, versions of a file, undo."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from recalld.surfaces.http.models.envelope import WHOLE_MAX, Model, Strict, WaitingBody
from recalld.surfaces.http.models.tree import Moved, UriQuery

Op = Literal[
    "create",
    "write",
    "move",
    "remove",
    "restore",
    "tags",
    "attrs",
    "tiers",
    "archive",
    "snapshot",
    "ignore",
    "reown",
    "index",
]


class LogQuery(Model):
    """Which log entries to return, newest first."""

    before: int = Field(0, ge=0, le=WHOLE_MAX, description="only entries with a smaller seq; 0 = from the end")
    after: int = Field(0, ge=0, le=WHOLE_MAX, description="only entries with a larger seq")
    limit: int = Field(100, ge=1, le=1000)
    under: str = Field("", description="only entries at or below this address")
    op: Op | None = Field(
        None, description="only this operation; default: all except tiers, index and reown, which follow from others"
    )
    actor: str = Field("", description="only changes by this user")


class ChangeShown(Model):
    """A change. ``seq`` numbers it."""

    seq: int
    at: str
    actor: str
    op: str
    uri: str
    cause: str


class LogEntryShown(ChangeShown):
    """A change. ``commit``: the seq shared by all changes of one commit; ``sentence``: the abstract of a memory."""

    commit: int
    before: str
    after: str
    from_: str | None = Field(None, alias="from", description="the former address of a moved entry")
    sentence: str | None = None


class LogResult(Model):
    """A page of the log. ``next``: the ``before`` of the next page, null at the end. A page may be short before the end."""

    entries: list[LogEntryShown]
    next: int | None


class UndoBody(WaitingBody):
    """What to undo. Default: the caller's last change."""

    seq: int | None = Field(None, ge=1, description="the commit of this log entry")
    cause: str = Field(
        "", max_length=8192, description="every commit with this cause, such as the task id of an import"
    )
    archive_uri: str = Field("", max_length=8192, description="the memories extracted from this archive of a session")
    dry_run: bool = Field(False, description="only return the plan")
    wait: bool = Field(False, description="wait until the restored entries are indexed")


class UnchangedResult(Model):
    """What was left unchanged, and why."""

    uri: str
    reason: str


class UndoResult(Model):
    """What was done, or with ``dry_run`` would be done. ``cause`` names the undo in the log; undo it to redo the change."""

    dry_run: bool
    commits: list[int]
    cause: str
    seq: int | None
    written: list[str]
    removed: list[str]
    restored: list[str]
    moved: list[Moved]
    tagged: list[str]
    kept: list[UnchangedResult]


class PurgeBody(Strict):
    """What to erase for good."""

    older_than: str = Field(
        min_length=1, max_length=64, description="an age (7d; 0s: all) or a time: what was removed or replaced before"
    )


class PurgeResult(Model):
    """The number of erased contents, and the free bytes of the disk afterwards."""

    contents: int
    free_bytes: int | None


class HistoryQuery(UriQuery):
    """A file whose versions to list."""

    before: int = Field(0, ge=0, le=WHOLE_MAX, description="only versions with a smaller seq; 0 = from the newest")
    limit: int = Field(100, ge=1, le=1000)


class VersionShown(ChangeShown):
    """What a file held from entry ``seq`` on. ``hash`` null: it was removed; ``kept``: the content can still be read."""

    hash: str | None
    size: int
    kept: bool


class HistoryResult(Model):
    """The versions of a file, newest first. ``next``: the ``before`` of the next page, null at the end."""

    uri: str
    versions: list[VersionShown]
    next: int | None


class ContentDiffQuery(UriQuery):
    """Two points in time: log positions, times (``2026-05-01T10:00Z``) or ages (``10m``)."""

    from_: str = Field(alias="from", min_length=1)
    to: str = Field("", description='"" = now')
    raw: bool = Field(False, description="include the trailer of a memory")


class ContentDiffResult(Model):
    """How a file differs. ``from`` and ``to``: the seq of the versions, null where the file did not exist."""

    uri: str
    from_: int | None = Field(alias="from")
    to: int | None
    diff_text: str


class HistoryRestoreBody(Strict):
    """What to restore, and as of when (see ``content/diff``)."""

    uri: str
    at: str = Field(min_length=1)
    dry_run: bool = False


class HistoryRestoreResult(Model):
    """What was written and removed, or with ``dry_run`` would be."""

    uri: str
    dry_run: bool
    written: list[str]
    removed: list[str]
