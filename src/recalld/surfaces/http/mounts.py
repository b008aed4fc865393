"""What the HTTP server offers to a mounted application of another surface: authentication, uploads, tickets and threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request, empty_receive
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recalld.domain.errors import Invalid, RecalldError
from recalld.surfaces.http.admission import MemoryReservation, RequestClass
from recalld.surfaces.http.body import read_body, read_json
from recalld.surfaces.http.crossorigin import base_url
from recalld.surfaces.http.endpoint import while_connected
from recalld.surfaces.http.lifetime import SMALL_BYTES, RequestLifetime, RequestPolicy
from recalld.surfaces.http.reply import JsonBytes, of_error
from recalld.surfaces.http.request import ApiRequest, AppState
from recalld.surfaces.http.uploads import open_upload

if TYPE_CHECKING:
    from recalld.app.engine import Engine, Workspace

_CREDENTIAL_VERSION = "recalld.credential_version"
"""Key in the ASGI scope of the caller's credential version when the request arrived."""


class HttpContext:
    """One for each mounted application."""

    def __init__(self, app_state: AppState) -> None:
        self._app_state = app_state

    async def enter(self, scope: Scope) -> tuple[Engine, Workspace]:
        """The engine, and the workspace of the caller. Raises ``Closed``, ``Denied``, ``Invalid``, ``Conflict`` and ``Busy``."""
        await self._app_state.opened()
        request = ApiRequest(scope, empty_receive, app_state=self._app_state, with_peer=True)
        await request.identify()
        scope[_CREDENTIAL_VERSION] = request.credential_version
        return request.engine, request.workspace

    async def exchange(self, scope: Scope, receive: Receive, send: Send, workspace: Workspace, answer: ASGIApp) -> None:
        """Let ``answer`` answer one JSON message. Request and response are treated as those of all routes: bounded, counted while
        in memory, invalid characters replaced. The work is cancelled when the client disconnects.

        Raises ``Invalid`` and ``Busy`` before anything was sent.
        """
        caller = workspace.caller
        with self._app_state.memory.reservation(f"{caller.account}/{caller.user}") as memory:
            try:
                message = await self._message(scope, receive, memory)
                response = await self._answered(scope, receive, message, answer)
            except ClientDisconnect:
                return  # the client has disconnected
            if len(response.body) > SMALL_BYTES:
                memory.reserve(len(response.body))
            await response(scope, receive, send)

    async def _message(self, scope: Scope, receive: Receive, memory: MemoryReservation) -> bytes:
        data = await read_body(Request(scope, receive), counted=memory.reserve)
        if not data.strip():
            return data
        text, value = await read_json(data, self._app_state.codec)
        if isinstance(value, list):
            raise Invalid("a batch of messages is not accepted", remedy="send each message in a request of its own")
        return text

    async def _answered(self, scope: Scope, receive: Receive, message: bytes, answer: ASGIApp) -> JsonBytes:
        answered = _CapturedResponse()
        await while_connected(Request(scope, receive), answer(scope, _BufferedReceive(message), answered))
        return answered.response()

    def refusal(self, error: RecalldError) -> tuple[int, dict[str, str]]:
        """A failure's status and headers, as on all routes."""
        status, _, headers = of_error(error)
        return status, headers

    async def upload(self, scope: Scope, temp_file_id: str) -> tuple[Path, str]:
        """The path of an upload of this caller, and its file name. Raises ``Invalid`` and ``NotFound``."""
        request = ApiRequest(scope, empty_receive, app_state=self._app_state, with_peer=True)
        caller = await request.identify()
        upload = await self._app_state.disk.run(open_upload, request.engine.upload_dir, temp_file_id, caller)
        return upload.path, upload.filename

    def ticket(self, scope: Scope, workspace: Workspace, uri: str) -> str:
        """Where the file at ``uri`` can be fetched once, within minutes, without a key."""
        token = self._app_state.tickets.issue(workspace.caller, uri, credential_version=scope[_CREDENTIAL_VERSION])
        return f"{base_url(scope, self._app_state.settings)}/api/v1/content/download?token={token}"

    def upload_ticket(self, scope: Scope, workspace: Workspace, options: Mapping[str, Any]) -> str:
        """Where a file can be sent once, within minutes, without a key, to be imported as ``options`` says."""
        token = self._app_state.tickets.issue(
            workspace.caller, options=options, credential_version=scope[_CREDENTIAL_VERSION]
        )
        return f"{base_url(scope, self._app_state.settings)}/api/v1/resources/temp_upload?token={token}"

    @asynccontextmanager
    async def slot(self, workspace: Workspace, kind: str, waits: bool) -> AsyncIterator[None]:
        """Hold a slot of a request class (``kind``: the value of a ``RequestClass``) while the block runs, under the deadline of
        requests, or with ``waits`` under that of background work. Raises ``Busy`` when no slot is free."""
        caller, settings = workspace.caller, self._app_state.settings
        recalls = RequestClass(kind) is RequestClass.RECALL
        policy = RequestPolicy(
            f"mcp.{kind}",
            RequestClass(kind),
            admission_s=settings.search_timeout_s / 2 if recalls else settings.request_timeout_s,
            deadline_s=settings.request_timeout_s,
            wait_s=settings.wait_timeout_s,
            changes=not recalls,
        )
        async with (
            RequestLifetime(self._app_state.admission, policy) as lifetime,
            lifetime.running(f"{caller.account}/{caller.user}", waits=waits),
        ):
            yield

    async def off_loop(self, work: Callable[[], Any]) -> Any:
        """Run ``work`` on a thread."""
        return await self._app_state.disk.run(work)


class _BufferedReceive:
    """An ASGI receive that returns a body that has been read already. A disconnect is signalled by cancellation."""

    def __init__(self, message: bytes) -> None:
        self._message: bytes | None = message

    async def __call__(self) -> Message:
        if self._message is None:
            await asyncio.get_running_loop().create_future()
        message, self._message = self._message, None
        return {"type": "http.request", "body": message, "more_body": False}


class _CapturedResponse:
    """An ASGI send that collects a whole response, so that it can be counted and sent in slices."""

    def __init__(self) -> None:
        self._start: Message = {}
        self._parts: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        else:
            self._parts.append(message.get("body", b""))

    def response(self) -> JsonBytes:
        response = JsonBytes(b"".join(self._parts), self._start["status"])
        response.raw_headers = [tuple(one) for one in self._start["headers"]]
        return response


MountedApps = Mapping[str, Callable[[HttpContext], ASGIApp]]
"""Path -> factory of the application mounted there."""
