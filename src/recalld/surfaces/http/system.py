"""/health, /ready, /system and /debug/health."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from recalld.domain.version import VERSION
from recalld.surfaces.http import serializers
from recalld.surfaces.http.endpoint import Deadline, Endpoint
from recalld.surfaces.http.models.resource import Health, Healthy, Ready, Status, WaitBody
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
    if found.vectors is not None:
        body["vectors"] = serializers.vectors(found.vectors)
    return plain(body, 200)


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


ENDPOINTS = (
    Endpoint("GET", "/health", health, Health, "Check that the process answers", bare=True, open=True),
    Endpoint("GET", "/ready", ready, Ready, "Check that the store is open", bare=True, open=True),
    Endpoint("GET", "/api/v1/system/status", status, Status, "Show the caller"),
    Endpoint("POST", "/api/v1/system/wait", wait, dict[str, QueueStatus], "Wait for background work", Deadline.NONE),
    Endpoint("GET", "/api/v1/debug/health", debug_health, Healthy, "Check the health"),
)
