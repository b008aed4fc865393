"""What the HTTP server lends to another surface's application: who asks, uploads, and its threads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import empty_receive
from starlette.types import ASGIApp, Scope

from recalld.surfaces.http.admission import Class
from recalld.surfaces.http.call import Call, Front
from recalld.surfaces.http.crossorigin import base_url
from recalld.surfaces.http.uploads import open_upload
from recalld.surfaces.http.visit import Terms, Visit

if TYPE_CHECKING:
    from recalld.app.engine import Engine, Workspace

_STANDING = "recalld.standing"
"""Key in the ASGI scope of how the caller stood when the request came in."""


class Door:
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
    async def place(self, workspace: Workspace, kind: str, waits: bool) -> AsyncIterator[None]:
        """A place among the requests of a class (a ``Class``'s value) while the block runs, under their deadline if it is not
        to wait for background work. Raises ``Busy`` where none is free."""
        caller, settings = workspace.caller, self._front.settings
        recalls = Class(kind) is Class.RECALL
        terms = Terms(
            f"mcp.{kind}",
            Class(kind),
            admission_s=settings.recall_deadline_s / 2 if recalls else settings.request_deadline_s,
            deadline_s=settings.request_deadline_s,
            wait_s=settings.wait_deadline_s,
            changes=not recalls,
        )
        async with (
            Visit(self._front.admission, terms) as visit,
            visit.working(f"{caller.account}/{caller.user}", waits=waits),
        ):
            yield

    async def off_loop(self, work: Callable[[], Any]) -> Any:
        """Run ``work`` on a thread."""
        return await self._front.disk.run(work)


Guests = Mapping[str, Callable[[Door], ASGIApp]]
"""Path -> what makes the application there."""
