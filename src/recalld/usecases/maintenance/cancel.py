"""Requests running tasks to stop."""

from __future__ import annotations

from recalld.domain.caller import Caller
from recalld.domain.errors import Conflict
from recalld.domain.job import CANCELLABLE, Task
from recalld.ports.bundle import Ports


async def cancel(task_id: str, caller: Caller, ports: Ports) -> Task:
    """Request a task to stop. Raises ``NotFound``; ``Conflict`` if it has ended or its type cannot be cancelled."""
    tenant = ports.ledger.tenant(caller)
    task = await tenant.task(task_id)
    if task.type not in CANCELLABLE:
        raise Conflict(
            f"a task of type {task.type} cannot be cancelled",
            remedy=f"only {', '.join(sorted(CANCELLABLE))} can",
            code="FAILED_PRECONDITION",
            details={"task_id": task_id, "task_type": task.type},
        )
    return await tenant.cancel(task_id)
