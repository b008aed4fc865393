"""What the HTTP server lends to another surface's application: who asks, uploads, and its threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request, empty_receive
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recalld.domain.errors import Invalid, RecalldError
from recalld.infra.tasks import cancel_when
from recalld.surfaces.http.admission import RequestClass
from recalld.surfaces.http.body import read_body, read_json
from recalld.surfaces.http.call import Call, Front
from recalld.surfaces.http.crossorigin import base_url
from recalld.surfaces.http.errors import of_error
from recalld.surfaces.http.lifetime import SMALL_BYTES, RequestLifetime, RequestPolicy
from recalld.surfaces.http.memory_budget import MemoryReservation
from recalld.surfaces.http.reply import JsonBytes
from recalld.surfaces.http.route import LOOK_AFTER_S
from recalld.surfaces.http.uploads import open_upload

if TYPE_CHECKING:
    from recalld.app.engine import Engine, Workspace

_STANDING = "recalld.standing"
"""Key in the ASGI scope of how the caller stood when the request came in."""


class HttpContext:
    """Lent once to each guest."""

    def __init__(self, front: Front) -> None:
        self._front = front

    async def enter(self, scope: Scope) -> tuple[Engine, Workspace]:
        """The engine, and the verbs as whoever calls. Raises ``Closed``, ``Denied``, ``Invalid``, ``Conflict`` and ``Busy``."""
        await self._front.opened()
        call = Call(scope, empty_receive, front=self._front, with_peer=True)
        await call.identify()
        scope[_STANDING] = call.standing
        return call.engine, call.workspace

    async def exchange(self, scope: Scope, receive: Receive, send: Send, workspace: Workspace, answer: ASGIApp) -> None:
        """Have ``answer`` answer one JSON message. Both are read and sent as those of all routes are: bounded and counted while
        they are in memory, odd characters replaced; the work ends when its client has left.

        Raises ``Invalid`` and ``Busy`` before anything was sent.
        """
        caller = workspace.caller
        with self._front.memory.reservation(f"{caller.account}/{caller.user}") as memory:
            try:
                message = await self._message(scope, receive, memory)
                response = await self._answered(scope, receive, message, answer)
            except ClientDisconnect:
                return  # nobody is left to be told
            if len(response.body) > SMALL_BYTES:
                memory.reserve(len(response.body))
            await response(scope, receive, send)

    async def _message(self, scope: Scope, receive: Receive, memory: MemoryReservation) -> bytes:
        data = await read_body(Request(scope, receive), counted=memory.reserve)
        if not data.strip():
            return data
        text, value = await read_json(data, self._front.codec)
        if isinstance(value, list):
            raise Invalid("a batch of messages is not taken", remedy="send each message in a request of its own")
        return text

    async def _answered(self, scope: Scope, receive: Receive, message: bytes, answer: ASGIApp) -> JsonBytes:
        call = Request(scope, receive)
        answered = _Answer()
        with cancel_when(lambda: _left(call), LOOK_AFTER_S) as gone:
            try:
                await answer(scope, _Heard(message), answered)
                return answered.response()
            except asyncio.CancelledError:
                if not gone.fired:
                    raise
        await gone.absorb()
        raise ClientDisconnect

    def refusal(self, error: RecalldError) -> tuple[int, dict[str, str]]:
        """A failure's status and headers, as on all routes."""
        status, _, headers = of_error(error)
        return status, headers

    async def upload(self, scope: Scope, temp_file_id: str) -> tuple[Path, str]:
        """Where an upload of this caller lies, and its name. Raises ``Invalid`` and ``NotFound``."""
        call = Call(scope, empty_receive, front=self._front, with_peer=True)
        caller = await call.identify()
        found = await self._front.disk.run(open_upload, call.engine.upload_dir, temp_file_id, caller)
        return found.path, found.filename

    def ticket(self, scope: Scope, workspace: Workspace, uri: str) -> str:
        """Where the file at ``uri`` can be fetched once, within minutes, without a key."""
        token = self._front.tickets.issue(workspace.caller, uri, standing=scope[_STANDING])
        return f"{base_url(scope, self._front.settings)}/api/v1/content/download?token={token}"

    def upload_ticket(self, scope: Scope, workspace: Workspace, wish: Mapping[str, Any]) -> str:
        """Where a file can be sent once, within minutes, without a key, to be imported as ``wish`` says."""
        token = self._front.tickets.issue(workspace.caller, wish=wish, standing=scope[_STANDING])
        return f"{base_url(scope, self._front.settings)}/api/v1/resources/temp_upload?token={token}"

    @asynccontextmanager
    async def slot(self, workspace: Workspace, kind: str, waits: bool) -> AsyncIterator[None]:
        """Hold a slot of a request class (``kind``: the value of a ``RequestClass``) while the block runs, under the deadline of
        requests, or with ``waits`` under that of background work. Raises ``Busy`` when no slot is free."""
        caller, settings = workspace.caller, self._front.settings
        recalls = RequestClass(kind) is RequestClass.RECALL
        policy = RequestPolicy(
            f"mcp.{kind}",
            RequestClass(kind),
            admission_s=settings.recall_deadline_s / 2 if recalls else settings.request_deadline_s,
            deadline_s=settings.request_deadline_s,
            wait_s=settings.wait_deadline_s,
            changes=not recalls,
        )
        async with (
            RequestLifetime(self._front.admission, policy) as lifetime,
            lifetime.running(f"{caller.account}/{caller.user}", waits=waits),
        ):
            yield

    async def off_loop(self, work: Callable[[], Any]) -> Any:
        """Run ``work`` on a thread."""
        return await self._front.disk.run(work)


class _Heard:
    """Gives an application a message that has been read already, once; that its client left is told by cancelling it."""

    def __init__(self, message: bytes) -> None:
        self._message: bytes | None = message

    async def __call__(self) -> Message:
        if self._message is None:
            await asyncio.get_running_loop().create_future()
        message, self._message = self._message, None
        return {"type": "http.request", "body": message, "more_body": False}


class _Answer:
    """Takes an application's whole answer, so that it can be counted and sent in slices."""

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


async def _left(call: Request) -> None:
    """Until the client has gone."""
    while (await call.receive())["type"] != "http.disconnect":
        pass


Guests = Mapping[str, Callable[[HttpContext], ASGIApp]]
"""Path -> what makes the application there."""
