"""/health, /ready, /system, /debug/health, and /tasks: background work."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.responses import Response

from recalld.domain.caller import Role
from recalld.domain.errors import Denied, NotFound
from recalld.domain.version import VERSION
from recalld.surfaces.http import serializers
from recalld.surfaces.http.endpoint import Deadline, Endpoint
from recalld.surfaces.http.models.resource import Health, Healthy, Ready, Status, WaitBody
from recalld.surfaces.http.models.session import TaskResult, TasksQuery
from recalld.surfaces.http.models.tree import QueueStatus
from recalld.surfaces.http.reply import plain
from recalld.surfaces.http.request import ApiRequest


async def health(request: ApiRequest) -> Response:
    """200 while the process answers, with the caller of the key if one is sent. It waits for nothing."""
    body = {"status": "ok", "healthy": True, "version": VERSION, "auth_mode": request.app_state.settings.mode}
    return plain({**body, **await request.known_caller()})


async def ready(request: ApiRequest) -> Response:
    """200 once the store is open, with the reasons if the server is degraded; 503 before."""
    if request.app_state.engine is None:
        body = {"status": "not_ready", "state": "initializing", "reason": "initializing", "checks": {}, "reasons": []}
        return plain(body, 503, {"Retry-After": "1"})
    found = await request.app_state.engine.readiness()
    checks = {**found.checks, **_openviking_checks(found.checks, request.app_state.settings.mode)}
    body = {"status": "ready", "checks": checks, "state": found.state, "reasons": list(found.reasons)}
    if found.derived is not None:
        body["derived"] = {"done": found.derived.done, "total": found.derived.total}
    return plain({**body, **serializers.vectors(found.vectors)}, 200)


def _openviking_checks(checks: Mapping[str, str], auth_mode: str) -> dict[str, Any]:
    """The checks under the names that OpenViking's clients expect."""
    store = checks.get("store", "ok")
    return {
        "agfs": {"status": store, "checks": {"filesystem": store, "multiwrite_sync": "not_supported"}},
        "vectordb": store,
        "api_key_manager": "not_configured" if auth_mode == "dev" else store,
        "ollama": "not_configured",
    }


async def status(request: ApiRequest) -> dict[str, Any]:
    """Return whether the store is open, and the user of this request."""
    return {"initialized": request.engine is not None, "user": request.caller.user}


async def wait(request: ApiRequest, body: WaitBody | None = None) -> dict[str, Any]:
    """Wait until the caller has no background work left; 504 after ``timeout`` seconds."""
    timeout_s = body.timeout if body is not None else None
    return serializers.queues(await request.workspace.wait(timeout_s=timeout_s))


async def debug_health(request: ApiRequest) -> dict[str, Any]:
    """Return whether the server is healthy."""
    return {"healthy": (await request.engine.readiness()).state == "ready"}


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
    Endpoint("GET", "/health", health, Health, "Check that the process answers", bare=True, open=True),
    Endpoint("GET", "/ready", ready, Ready, "Check that the store is open", bare=True, open=True),
    Endpoint("GET", "/api/v1/system/status", status, Status, "Show the caller"),
    Endpoint("POST", "/api/v1/system/wait", wait, dict[str, QueueStatus], "Wait for background work", Deadline.NONE),
    Endpoint("GET", "/api/v1/debug/health", debug_health, Healthy, "Check the health"),
    Endpoint("GET", f"{_AT}/{{task_id}}", get, TaskResult, "Show a task"),
    Endpoint("GET", _AT, list_, list[TaskResult], "List tasks"),
    Endpoint("POST", f"{_AT}/{{task_id}}/cancel", cancel, TaskResult, "Cancel a task"),
)
