"""Work that outlives a request, and the tasks users watch."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

from .caller import Caller

P = TypeVar("P")


class Lane(StrEnum):
    """Who goes first: what somebody waits for, then what nobody waits for."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


@dataclass(frozen=True, slots=True)
class NewJob:
    """Work to enqueue with a commit.

    ``key``: at most one pending job per key; a second one is folded into it (a hundred changed children refresh their
    parent once). A job already running does not fold: the new one waits behind it. Keys that are alike up to a
    ``#`` are separate jobs done one after the other, in the order asked for. ``delay_s``: not before.
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
