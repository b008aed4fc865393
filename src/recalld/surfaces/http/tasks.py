"""/tasks: work under way."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from recalld.domain.caller import Role
from recalld.domain.errors import Denied
from recalld.surfaces.http import shapes
from recalld.surfaces.http.call import Call
from recalld.surfaces.http.models.session import TaskResult, TasksQuery
from recalld.surfaces.http.route import Verb

_AT = "/api/v1/tasks"


async def task(call: Call, task_id: str) -> dict[str, Any]:
    """One task."""
    return shapes.task(await call.workspace.task(task_id))


async def tasks(call: Call, query: Annotated[TasksQuery, Query()]) -> list[Any]:
    """The caller's tasks, newest first."""
    found = await call.workspace.tasks(
        type=query.task_type or "", status=query.status or "", resource_id=query.resource_id or "", limit=query.limit
    )
    return [shapes.task(t) for t in found]


async def cancel(call: Call, task_id: str) -> dict[str, Any]:
    """Stop a task; one that has ended, or is of a type that is done to its end, cannot be stopped (412)."""
    if call.caller.role is Role.ROOT and call.front.settings.mode != "dev":
        raise Denied("the root key cancels nobody's tasks", remedy="use a key of the task's user")
    return shapes.task(await call.workspace.cancel(task_id))


VERBS = (
    Verb("GET", f"{_AT}/{{task_id}}", task, TaskResult, "Look at a task"),
    Verb("GET", _AT, tasks, list[TaskResult], "List tasks"),
    Verb("POST", f"{_AT}/{{task_id}}/cancel", cancel, TaskResult, "Cancel a task"),
)
