"""``/mcp``: an ASGI application that the HTTP server mounts."""

from __future__ import annotations

import importlib
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from recalld.domain.errors import RecalldError

from .tool_context import ToolContext

if TYPE_CHECKING:
    from recalld.app.engine import Engine, Workspace

_KEY = "recalld.mcp.tool_context"
_REFUSED = -32001
_UNREADABLE = -32700
_JSON = b"application/json"
_NEGOTIATED = frozenset({b"content-type", b"accept"})


class HttpContext(Protocol):
    """What the HTTP server provides: authentication as on all its routes, uploads, tickets and threads."""

    async def enter(self, scope: Scope) -> tuple[Engine, Workspace]:
        """The engine, and the workspace of the request's caller. Raises ``RecalldError``."""

    async def exchange(self, scope: Scope, receive: Receive, send: Send, workspace: Workspace, answer: ASGIApp) -> None:
        """Let ``answer`` answer one message, both bounded. Raises ``RecalldError`` before anything was sent."""

    def refusal(self, error: RecalldError) -> tuple[int, dict[str, str]]:
        """A failure's status and headers."""

    async def upload(self, scope: Scope, temp_file_id: str) -> tuple[Path, str]:
        """The path and the file name of an upload of this caller."""

    def ticket(self, scope: Scope, workspace: Workspace, uri: str) -> str:
        """Where a file can be fetched once without a key."""

    def upload_ticket(self, scope: Scope, workspace: Workspace, options: Mapping[str, Any]) -> str:
        """Where a file can be sent once without a key, to be imported as ``options`` says."""

    def slot(self, workspace: Workspace, kind: str, waits: bool) -> AbstractAsyncContextManager[None]:
        """Hold a slot of a request class, under the deadline of requests unless ``waits``. Entering it raises ``Busy``."""

    async def off_loop(self, work: Callable[[], Any]) -> Any:
        """Run ``work`` on a thread."""


class Mcp:
    """The endpoint. The MCP library is loaded with the first request, on a thread."""

    def __init__(self, context: HttpContext) -> None:
        self._context = context
        self._answer: Callable[[Scope, Receive, Send], Awaitable[None]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            engine, workspace = await self._context.enter(scope)
            if self._answer is None:
                self._answer = await self._context.off_loop(_load)
        except RecalldError as error:
            await self._refused(error, _REFUSED)(scope, receive, send)
            return
        if scope["method"] == "GET":  # the server sends no unsolicited messages, so there is no stream
            await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)
            return
        scope["headers"] = _plain_headers(scope)
        scope[_KEY] = self._tool_context(scope, engine, workspace)
        try:
            await self._context.exchange(scope, receive, send, workspace, self._answer)
        except RecalldError as error:
            await self._refused(error, _UNREADABLE)(scope, receive, send)

    def _tool_context(self, scope: Scope, engine: Engine, workspace: Workspace) -> ToolContext:
        async def open_upload(temp_file_id: str) -> tuple[Path, str]:
            return await self._context.upload(scope, temp_file_id)

        def ticket(uri: str) -> str:
            return self._context.ticket(scope, workspace, uri)

        def upload_ticket(options: Mapping[str, Any]) -> str:
            return self._context.upload_ticket(scope, workspace, options)

        def slot(kind: str, waits: bool) -> AbstractAsyncContextManager[None]:
            return self._context.slot(workspace, kind, waits)

        return ToolContext(engine, workspace, open_upload, ticket, upload_ticket, slot)

    def _refused(self, error: RecalldError, code: int) -> Response:
        status, headers = self._context.refusal(error)
        payload = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": str(error)}}
        return Response(json.dumps(payload), status, headers, "application/json")


def _plain_headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    """A request's headers as the protocol's library wants them: a message that says nothing of what it accepts takes anything,
    and the HTTP server has checked that its body is JSON."""
    headers: list[tuple[bytes, bytes]] = list(scope["headers"])
    if scope["method"] != "POST":
        return headers
    accepts = any(name == b"accept" and value.strip() for name, value in headers)
    left = [(name, value) for name, value in headers if name not in ({b"content-type"} if accepts else _NEGOTIATED)]
    return [*left, (b"content-type", _JSON), *(() if accepts else ((b"accept", _JSON + b", text/event-stream"),))]


def _load() -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    protocol = importlib.import_module("recalld.surfaces.mcp.protocol")
    served = protocol.server(lambda request: request.scope[_KEY])

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await protocol.answer(served, scope, receive, send)

    return answer
