"""Requests and results of the past: the log, versions of a file, undo."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from recalld.surfaces.http.models.envelope import WHOLE_MAX, Model, Strict

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
    """Which entries of the log, newest first."""

    before: int = Field(0, ge=0, le=WHOLE_MAX, description="only entries with a smaller seq; 0 = from the end")
    after: int = Field(0, ge=0, le=WHOLE_MAX, description="only entries with a larger seq")
    limit: int = Field(100, ge=1, le=1000)
    under: str = Field("", description="only what concerns this address or what lies below it")
    op: Op | None = Field(
        None, description="only this operation; left out: all but tiers, index and reown, which follow from others"
    )
    actor: str = Field("", description="only changes of this user")


class LogEntryShown(Model):
    """One change. ``commit``: the seq that names all changes made together with it; ``sentence``: a memory's abstract."""

    seq: int
    commit: int
    at: str
    actor: str
    op: str
    uri: str
    before: str
    after: str
    cause: str
    from_: str | None = Field(None, alias="from", description="where a moved entry lay before")
    sentence: str | None = None


class LogResult(Model):
    """A page of the log. ``next``: go on with ``before`` set to it; null at the end. A page may be short before the end."""

    entries: list[LogEntryShown]
    next: int | None


class UndoBody(Strict):
    """What to take back; nothing named: the caller's last change."""

    seq: int | None = Field(None, ge=1, description="the change that this log entry belongs to")
    cause: str = Field("", max_length=8192, description="everything with this cause, such as an import's task id")
    archive_uri: str = Field("", max_length=8192, description="what was learnt from this archive of a session")
    dry_run: bool = Field(False, description="say what would be done")
    wait: bool = Field(False, description="until what came back is indexed")
    timeout: float | None = Field(None, ge=0)


class Moved(Model):
    """A subtree and where it goes back to."""

    from_: str = Field(alias="from")
    to: str


class KeptShown(Model):
    """What is left as it is, and why."""

    uri: str
    reason: str


class UndoResult(Model):
    """What was done, or with ``dry_run`` would be. ``cause`` names the undo in the log: undo that to have the change again."""

    dry_run: bool
    commits: list[int]
    cause: str
    seq: int | None
    written: list[str]
    removed: list[str]
    restored: list[str]
    moved: list[Moved]
    tagged: list[str]
    kept: list[KeptShown]


class PurgeBody(Strict):
    """What to erase for good."""

    older_than: str = Field(
        min_length=1, max_length=64, description="what was removed or replaced before: an age (7d, 0s: all) or a time"
    )


class PurgeResult(Model):
    """How many contents were erased, and how many bytes of the disk are free then."""

    contents: int
    free_bytes: int | None


class HistoryQuery(Model):
    """Whose versions."""

    uri: str
    before: int = Field(0, ge=0, le=WHOLE_MAX, description="only versions with a smaller seq; 0 = from the newest")
    limit: int = Field(100, ge=1, le=1000)


class VersionShown(Model):
    """What a file held from entry ``seq`` on. ``hash`` null: it was removed there; ``kept``: the content can still be read."""

    seq: int
    at: str
    actor: str
    op: str
    uri: str
    hash: str | None
    size: int
    cause: str
    kept: bool


class HistoryResult(Model):
    """A file's versions, newest first. ``next``: go on with ``before`` set to it; null at the end."""

    uri: str
    versions: list[VersionShown]
    next: int | None


class ContentDiffQuery(Model):
    """Two moments: log positions, times (``2026-05-01T10:00Z``) or ages (``10m``)."""

    uri: str
    from_: str = Field(alias="from", min_length=1)
    to: str = Field("", description='"" = now')
    raw: bool = Field(False, description="with a memory's trailer")


class ContentDiffResult(Model):
    """How a file differs; ``from`` and ``to``: seq of the versions compared, null where it was not there."""

    uri: str
    from_: int | None = Field(alias="from")
    to: int | None
    diff_text: str


class HistoryRestoreBody(Strict):
    """What to bring back, as it was at a moment (see ``content/diff``)."""

    uri: str
    at: str = Field(min_length=1)
    dry_run: bool = False


class HistoryRestoreResult(Model):
    """What was written and removed, or with ``dry_run`` would be."""

    uri: str
    dry_run: bool
    written: list[str]
    removed: list[str]
