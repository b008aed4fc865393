"""Commits: the one way in which trees, sessions and jobs change."""

from __future__ import annotations

from typing import Protocol

from recalld.domain.commit import Commit, Receipt
from recalld.domain.job import Lane, Task


class Commits(Protocol):
    """The writes of one caller."""

    async def commit(self, commit: Commit, *, lane: Lane = Lane.INTERACTIVE) -> Receipt:
        """Apply a commit: durable when this returns; if it raises, nothing has changed. ``lane``: bulk commits wait behind
        interactive ones.

        Raises ``NotFound``, ``Conflict``, ``Denied``, ``Invalid`` from single operations (the whole commit is undone),
        ``Busy`` when too many commits wait, ``Upstream`` when the store is full."""

    async def cancel(self, task_id: str) -> Task:
        """Take a task's jobs off the queue. Raises ``NotFound``, ``Conflict`` (already ended)."""
