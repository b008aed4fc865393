"""/health, /ready, /system and /debug/health."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from recalld import __version__
from recalld.surfaces.http import serializers
from recalld.surfaces.http.endpoint import Deadline, Endpoint
from recalld.surfaces.http.models.resource import Health, Healthy, Ready, Status, WaitBody
from recalld.surfaces.http.models.tree import QueueStatus
from recalld.surfaces.http.reply import plain
from recalld.surfaces.http.request import ApiRequest


async def health(request: ApiRequest) -> Response:
    """200 as long as the process answers, and whose key came with the request. Waits for nothing."""
    body = {"status": "ok", "healthy": True, "version": __version__, "auth_mode": request.app_state.settings.mode}
    return plain({**body, **await request.known_caller()})


async def ready(request: ApiRequest) -> Response:
    """200 once the store is open, with what keeps it from full health; 503 before."""
    if request.app_state.engine is None:
        body = {"status": "not_ready", "state": "initializing", "reason": "initializing", "checks": {}, "reasons": []}
        return plain(body, 503, {"Retry-After": "1"})
    found = await request.app_state.engine.readiness()
    checks = {**found.checks, **_by_other_names(found.checks, request.app_state.settings.mode)}
    body = {"status": "ready", "checks": checks, "state": found.state, "reasons": list(found.reasons)}
    if found.vectors is not None:
        body["vectors"] = serializers.vectors(found.vectors)
    return plain(body, 200)


def _by_other_names(checks: Mapping[str, str], auth_mode: str) -> dict[str, Any]:
    """The checks under the names that clients of the wire look for."""
    store = checks.get("store", "ok")
    return {
        "agfs": {"status": store, "checks": {"filesystem": store, "multiwrite_sync": "not_supported"}},
        "vectordb": store,
        "api_key_manager": "not_configured" if auth_mode == "dev" else store,
        "ollama": "not_configured",
    }


async def status(request: ApiRequest) -> dict[str, Any]:
    """Whether the store is open and which user's it is for this request."""
    return {"initialized": request.engine is not None, "user": request.caller.user}


async def wait(request: ApiRequest, body: WaitBody | None = None) -> dict[str, Any]:
    """Answer when no background work of the caller is left, or 504 after ``timeout`` seconds."""
    timeout_s = body.timeout if body is not None else None
    return serializers.queues(await request.workspace.wait(timeout_s=timeout_s))


async def debug_health(request: ApiRequest) -> dict[str, Any]:
    """One word on health."""
    return {"healthy": (await request.engine.readiness()).state == "ready"}


ENDPOINTS = (
    Endpoint("GET", "/health", health, Health, "Is the process alive?", bare=True, open=True),
    Endpoint("GET", "/ready", ready, Ready, "Is the store open?", bare=True, open=True),
    Endpoint("GET", "/api/v1/system/status", status, Status, "Who am I here?"),
    Endpoint("POST", "/api/v1/system/wait", wait, dict[str, QueueStatus], "Wait for background work", Deadline.NONE),
    Endpoint("GET", "/api/v1/debug/health", debug_health, Healthy, "Health in one word"),
)
