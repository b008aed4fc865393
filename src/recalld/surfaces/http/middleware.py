"""Middleware around every request: its id, its duration, headers of every response, and a hook for logs and counters."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recalld.surfaces.http.body import check_media_type
from recalld.surfaces.http.reply import NO_STORE, NOSNIFF, UnsupportedMediaType, failure, of_error
from recalld.surfaces.http.request import REQUEST_ID, ROUTE, fresh_id

_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One finished request. ``status`` 0: the client disconnected before a response began; ``route`` is the path's pattern."""

    id: str
    method: str
    path: str
    route: str
    status: int
    seconds: float


OnRequest = Callable[[RequestRecord], None]
"""Called once after each request, on the loop: it must not block."""


class RequestMiddleware:
    """Pure ASGI: keeps or generates ``X-Request-ID``, adds ``X-Process-Time`` and ``nosniff``, reports to ``on_request``.

    A response without ``Cache-Control`` gets ``no-store``, since nearly all responses are private.
    """

    def __init__(self, app: ASGIApp, on_request: OnRequest | None = None) -> None:
        self._app = app
        self._on_request = on_request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        ids = [value for name, value in scope["headers"] if name == b"x-request-id"]
        # A proxy may set this header: one that cannot be logged is replaced, the request goes on.
        usable = len(ids) == 1 and _ID.fullmatch(ids[0])
        request_id = ids[0].decode("ascii") if usable else str(fresh_id())
        scope[REQUEST_ID] = request_id
        # Each request runs in its own context, so nothing has to be unbound.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                took = time.perf_counter() - started
                headers = list(message.get("headers", ()))
                if all(name.lower() != b"cache-control" for name, _ in headers):
                    headers.append(NO_STORE)
                message["headers"] = [
                    *headers,
                    NOSNIFF,
                    (b"x-request-id", request_id.encode("ascii")),
                    (b"x-process-time", f"{took:.6f}".encode("ascii")),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            if self._on_request is not None:
                route = scope.get(ROUTE, "")
                took = time.perf_counter() - started
                self._on_request(RequestRecord(request_id, scope["method"], scope["path"], route, status, took))


class MountedApp:
    """An application of another surface that reads JSON. Its requests are counted under ``route``."""

    def __init__(self, route: str, app: ASGIApp) -> None:
        self._route = route
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE] = self._route
        try:
            check_media_type(Request(scope))
        except UnsupportedMediaType as refused:
            await failure(*of_error(refused))(scope, receive, send)
            return
        await self._app(scope, receive, send)
