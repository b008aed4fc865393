"""/tasks: background work."""

from __future__ import annotations

from functools import partial
from typing import Any

from recalld.domain.caller import Role
from recalld.domain.errors import Denied, NotFound
from recalld.surfaces.http import serializers
from recalld.surfaces.http.endpoint import Endpoint
from recalld.surfaces.http.models.session import TaskResult, TasksQuery
from recalld.surfaces.http.request import ApiRequest

_AT = "/api/v1/tasks"
_ADMINISTRATION = ("user_deletion", "account_deletion")
"""Types of the tasks that the root key starts."""


async def get(request: ApiRequest, task_id: str) -> dict[str, Any]:
    """Return a task."""
    found = await request.workspace.tasks.get(task_id)
    if _is_root_key(request) and found.type not in _ADMINISTRATION:
        raise NotFound(
            f"Task not found: {task_id}",
            remedy="the root key sees removals alone; use a key of the task's user",
            details={"type": "task", "resource": task_id},
        )
    return serializers.task(found)


async def list_(request: ApiRequest, query: TasksQuery) -> list[Any]:
    """List the caller's tasks, newest first."""
    task_type = query.task_type or ""
    list_of = partial(request.workspace.tasks.list, status=query.status or "", resource_id=query.resource_id or "")
    types = [t for t in _ADMINISTRATION if task_type in {"", t}] if _is_root_key(request) else [task_type]
    if len(types) == 1:
        found = await list_of(type=types[0], limit=query.limit + 1, offset=query.offset)
    else:
        end = query.offset + query.limit + 1
        every = [t for type_ in types for t in await list_of(type=type_, limit=end)]
        found = sorted(every, key=lambda one: one.created_at, reverse=True)[query.offset : end]
    return [serializers.task(t) for t in request.cut(found, query.limit)]


def _is_root_key(request: ApiRequest) -> bool:
    """The root key is not the user of the same name: that user's tasks are not its own."""
    return request.caller.role is Role.ROOT and request.app_state.settings.mode != "dev"


async def cancel(request: ApiRequest, task_id: str) -> dict[str, Any]:
    """Cancel a task. One that has ended, or whose type cannot be cancelled, is rejected (412)."""
    if _is_root_key(request):
        raise Denied("the root key cannot cancel tasks of users", remedy="use a key of the task's user")
    return serializers.task(await request.workspace.tasks.cancel(task_id))


ENDPOINTS = (
    Endpoint("GET", f"{_AT}/{{task_id}}", get, TaskResult, "Show a task"),
    Endpoint("GET", _AT, list_, list[TaskResult], "List tasks"),
    Endpoint("POST", f"{_AT}/{{task_id}}/cancel", cancel, TaskResult, "Cancel a task"),
)
