"""Tasks: reads of the work that a caller has under way."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from recalld.domain.job import Task


class Tasks(Protocol):
    """The tasks and jobs of one caller."""

    async def task(self, task_id: str) -> Task:
        """Raises ``NotFound``."""

    async def tasks(
        self, *, type: str = "", status: str = "", resource_id: str = "", limit: int = 50, offset: int = 0
    ) -> list[Task]:
        """Newest first, without the first ``offset``."""

    async def pending(self, *, task_id: str = "", due: bool = False) -> int:
        """How many jobs (of one task, if named) are still to be done; dead ones do not count, nor those of the language
        model, since what they improve can be found already. ``due``: nor those whose time has not come."""

    def endings(self) -> AsyncGenerator[None, None]:
        """Yields at once, then whenever a job may have ended, and at least every two seconds."""
