"""Jobs and tasks: background work that survives a restart, and what it is told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from .caller import Caller
from .choice import Choice
from .errors import Corrupt, Invalid

P = TypeVar("P")


class Lane(StrEnum):
    """Who goes first: what somebody waits for, what nobody waits for, and what may take hours and gives way to both."""

    INTERACTIVE = "interactive"
    BULK = "bulk"
    BACKGROUND = "background"


@dataclass(frozen=True, slots=True)
class NewJob:
    """Work to enqueue with a commit.

    ``key``: at most one pending job per key; a second one is folded into it (a hundred changed children refresh their
    parent once). A job already running does not fold: the new one waits behind it. Keys that are alike up to a
    ``#`` are separate jobs done one after the other, in the order of their requests. ``delay_s``: not before.
    """

    kind: str
    key: str
    payload: dict[str, Any] = field(default_factory=dict)
    lane: Lane = Lane.BULK
    delay_s: float = 0.0
    task_id: str = ""


@dataclass(frozen=True, slots=True)
class Job(Generic[P]):
    """A leased job. ``attempt`` counts from 1 and was written before the job was handed out."""

    id: int
    kind: str
    key: str
    caller: Caller
    payload: P
    lane: Lane
    attempt: int
    created_at: float
    task_id: str = ""


StoredJob = Job[dict[str, Any]]
"""A leased job with its payload as stored."""


class TaskStatus(StrEnum):
    """The wire's task states."""

    PENDING = "pending"
    RUNNING = "running"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


CANCELLABLE = frozenset({"add_resource", "session_commit", "admin_reindex", "snapshot_restore_reindex"})
"""Types of tasks that may be stopped half-way; all others are done to their end."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a user sees of work under way; the wire's ``/tasks/{id}``."""

    id: str
    type: str
    status: TaskStatus
    created_at: float
    updated_at: float
    resource_id: str = ""
    stage: str = ""
    meta: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] | None = None
    error: str = ""

    @property
    def ended(self) -> bool:
        """True once nothing more will happen to it."""
        return self.status in {TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED}


@dataclass(frozen=True, slots=True)
class QueueCount:
    """State of one kind of job; ``oldest_s`` is the age of the oldest one still to be done (0 if none)."""

    kind: str
    pending: int
    running: int
    dead: int
    done: int
    oldest_s: float


AS_IN_SESSION = -1
Payload = TypeVar("Payload", bound="JobPayload")


class JobPayload(msgspec.Struct, frozen=True):
    """``KIND``: the kind of job, as stored."""

    KIND: ClassVar[str]
    VERSION: ClassVar[int] = 1

    def job(self, key: str = "", *, lane: Lane = Lane.BULK, delay_s: float = 0.0, task_id: str = "") -> NewJob:
        """Return the job to enqueue. ``key``: see ``NewJob``; without one, a user has one pending job of this kind."""
        payload = {**msgspec.to_builtins(self), "version": self.VERSION}
        return NewJob(self.KIND, key or self.KIND, payload, lane, delay_s, task_id)

    @classmethod
    def decode(cls: type[Payload], job: StoredJob) -> Job[Payload]:
        """Return the job with its payload as this type. Raises ``Invalid`` for a newer version than this program knows,
        ``Corrupt`` for no known layout."""
        version = job.payload.get("version", 1)
        if version > cls.VERSION:
            raise Invalid(
                f"job {job.kind} has a payload of version {version}; this version of recalld reads up to {cls.VERSION}",
                remedy="run the version that enqueued it, or a newer one",
            )
        try:
            payload = msgspec.convert(job.payload, cls)
        except msgspec.ValidationError as unknown:
            raise Corrupt(f"job {job.kind} has a payload of no known layout: {unknown}") from unknown
        untyped: Job[Any] = job
        return replace(untyped, payload=payload)


class ImportPayload(JobPayload, frozen=True):
    """Run an accepted import. ``upload``: below the folder of uploads, else absolute. ``root``: where it goes, as accepted;
    its task has the address it has moved to since. The other fields: see ``usecases.add.accept.ImportRequest``."""

    KIND = "import"

    upload: str
    root: str
    choice: Choice
    single: bool
    split: bool
    ours: bool
    tags: tuple[str, ...] = ()
    tag_mode: str = "replace"
    exact: bool = False
    origin: str = ""
    lineage: str = ""
    keep_removed: bool = False
    confirmed: bool = False
    left_out: tuple[str, ...] = ()
    incomplete: str = ""


class ExtractPayload(JobPayload, frozen=True):
    """Summarize an archive and extract its memories. ``event_tags``: tags of its events (None: the session's own).
    ``extracted_to``: the ordinal up to which memories were extracted before (None: none; ``AS_IN_SESSION``: read it from
    the session)."""

    KIND = "extract"

    session_id: str
    event_tags: tuple[str, ...] | None = None
    extracted_to: int | None = AS_IN_SESSION


class AutoCommitPayload(JobPayload, frozen=True):
    """Commit a session if its policy still requires it."""

    KIND = "auto_commit"

    session_id: str


class ReindexPayload(JobPayload, frozen=True):
    """Rebuild the index of a subtree. ``tags``: to set on the way, or to add (``append``). ``type``: directory or file."""

    KIND = "reindex"

    uri: str
    mode: str
    recursive: bool
    append: bool
    type: str
    tags: tuple[str, ...] = ()


class TiersPayload(JobPayload, frozen=True):
    """Refresh the tiers of the user's stale directories."""

    KIND = "tiers"


class EmbedPayload(JobPayload, frozen=True):
    """Embed the user's chunks that lack a vector of a model. ``model``: its place in the configuration, from 0."""

    KIND = "embed"

    model: int = 0


class EnrichPayload(JobPayload, frozen=True):
    """Have the language model write the user's tiers that it has not written yet."""

    KIND = "enrich"


class ReparsePayload(JobPayload, frozen=True):
    """Parse a stored file. ``quiet``: its directory's tiers came with it, so they are not refreshed."""

    KIND = "shape"

    uri: str
    quiet: bool = False


class PurgePayload(JobPayload, frozen=True):
    """Delete what was removed, in slices."""

    KIND = "purge"


class RepartitionPayload(JobPayload, frozen=True):
    """Give the chunks below a moved directory (``node``: its id) to the partition they now belong to."""

    KIND = "reown"

    node: int


class RevivePayload(JobPayload, frozen=True):
    """Index a restored subtree."""

    KIND = "revive"

    uri: str


class RecheckPayload(JobPayload, frozen=True):
    """Compare the index with contents after a part of it was lost; ``after``: the node id to continue behind."""

    KIND = "recheck"

    after: int = 0


class RederivePayload(JobPayload, frozen=True):
    """Derive titles, chunks and tiers of an earlier derivation again: files first, then ``directories``. ``after``: the node id to
    continue behind. ``done`` of ``total`` nodes were looked at."""

    KIND = "rederive"

    after: int = 0
    directories: bool = False
    done: int = 0
    total: int = 0


class DeleteMemberPayload(JobPayload, frozen=True):
    """Delete a member, or (``user`` "") an account."""

    KIND = "leave"

    account: str
    user: str
