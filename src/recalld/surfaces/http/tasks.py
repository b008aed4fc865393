"""/tasks: work under way."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import Query

from recalld.domain.caller import Role
from recalld.domain.errors import Denied, NotFound
from recalld.surfaces.http import serializers
from recalld.surfaces.http.endpoint import Endpoint
from recalld.surfaces.http.models.session import TaskResult, TasksQuery
from recalld.surfaces.http.request import ApiRequest

_AT = "/api/v1/tasks"
_ADMINISTRATION = ("user_deletion", "account_deletion")
"""Types of what the root key itself begins."""


async def task(request: ApiRequest, task_id: str) -> dict[str, Any]:
    """One task."""
    found = await request.workspace.task(task_id)
    if _is_root_key(request) and found.type not in _ADMINISTRATION:
        raise NotFound(
            f"Task not found: {task_id}",
            remedy="the root key sees removals alone; use a key of the task's user",
            details={"type": "task", "resource": task_id},
        )
    return serializers.task(found)


async def tasks(request: ApiRequest, query: Annotated[TasksQuery, Query()]) -> list[Any]:
    """The caller's tasks, newest first; go on with ``offset``."""
    task_type = query.task_type or ""
    list_of = partial(request.workspace.tasks, status=query.status or "", resource_id=query.resource_id or "")
    types = [t for t in _ADMINISTRATION if task_type in {"", t}] if _is_root_key(request) else [task_type]
    if len(types) == 1:
        found = await list_of(type=types[0], limit=query.limit + 1, offset=query.offset)
    else:
        end = query.offset + query.limit + 1
        every = [t for type_ in types for t in await list_of(type=type_, limit=end)]
        found = sorted(every, key=lambda one: one.created_at, reverse=True)[query.offset : end]
    return [serializers.task(t) for t in request.cut(found, query.limit)]


def _is_root_key(request: ApiRequest) -> bool:
    """The root key acts beside the user of the same name, whose tasks are not its own."""
    return request.caller.role is Role.ROOT and request.app_state.settings.mode != "dev"


async def cancel(request: ApiRequest, task_id: str) -> dict[str, Any]:
    """Stop a task; one that has ended, or is of a type that is done to its end, cannot be stopped (412)."""
    if _is_root_key(request):
        raise Denied("the root key cancels nobody's tasks", remedy="use a key of the task's user")
    return serializers.task(await request.workspace.cancel(task_id))


ENDPOINTS = (
    Endpoint("GET", f"{_AT}/{{task_id}}", task, TaskResult, "Look at a task"),
    Endpoint("GET", _AT, tasks, list[TaskResult], "List tasks"),
    Endpoint("POST", f"{_AT}/{{task_id}}/cancel", cancel, TaskResult, "Cancel a task"),
)
