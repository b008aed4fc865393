"""Operations on tasks: background work that can be followed and cancelled."""

from __future__ import annotations

from recalld.domain.job import Task
from recalld.usecases.maintenance import cancel

from .operations import Operations


class TaskOperations(Operations):
    """The tasks of a caller."""

    async def get(self, task_id: str) -> Task:
        """Return one task.

        Raises ``NotFound``.
        """
        return await self._ports.ledger.tenant(self.caller).task(task_id)

    async def cancel(self, task_id: str) -> Task:
        """Ask a task to stop.

        Raises ``NotFound``, and ``Conflict`` for a task that has ended or cannot be cancelled.
        """
        return await cancel.cancel(task_id, self.caller, self._ports)

    async def list(
        self, *, type: str = "", status: str = "", resource_id: str = "", limit: int = 50, offset: int = 0
    ) -> list[Task]:
        """Return tasks, newest first, without the first ``offset``. Empty filters match every task."""
        return await self._ports.ledger.tenant(self.caller).tasks(
            type=type, status=status, resource_id=resource_id, limit=limit, offset=offset
        )
