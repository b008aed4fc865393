"""An HTTP request: its caller, the state and counters all requests share, and headers of its response."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from starlette.requests import Request
from starlette.types import Receive, Scope

from recalld.app.auth import Identity, credential_version
from recalld.app.config import ServerConfig
from recalld.domain.caller import Caller, Role
from recalld.domain.errors import Closed, Denied, RecalldError
from recalld.domain.histogram import Histogram
from recalld.domain.uri import Uri
from recalld.infra.thread_pool import Pool
from recalld.rules.address import resolve
from recalld.surfaces.http.admission import Admission, MemoryBudget
from recalld.surfaces.http.auth import check_root_key, dev_identity, key_identity, key_of, trusted_identity
from recalld.surfaces.http.connections import Connections
from recalld.surfaces.http.tickets import Ticket, Tickets, invalid_ticket
from recalld.surfaces.http.uploads import UploadQuota

if TYPE_CHECKING:
    from recalld.app.engine import Engine, Workspace

GONE = 0
"""The status of a request whose client disconnected before a response began."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(slots=True)
class RouteCounters:
    """The requests of one route since the start."""

    statuses: dict[int, int] = field(default_factory=dict)
    took: Histogram = field(default_factory=Histogram)

    @property
    def requests(self) -> int:
        """How many there were."""
        return self.took.count

    @property
    def failed(self) -> int:
        """How many ended with a server error (501 excepted)."""
        return sum(count for status, count in self.statuses.items() if status >= 500 and status != 501)


class RequestCounters:
    """Counts on the event loop. There is one entry per route and method, whatever clients send."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str], RouteCounters] = {}

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """One finished request; ``route`` is its pattern, "" for a path that is none."""
        key = (method if method in _METHODS else "other", route)
        route_counters = self._routes.get(key)
        if route_counters is None:
            route_counters = self._routes[key] = RouteCounters()
        route_counters.statuses[status] = route_counters.statuses.get(status, 0) + 1
        route_counters.took.add(seconds)

    def routes(self) -> dict[tuple[str, str], RouteCounters]:
        """By method and route, in the order of their first request."""
        return dict(self._routes)


T = TypeVar("T")
REQUEST_ID = "recalld.request_id"
"""Key of the request's id in the ASGI scope."""
ROUTE = "recalld.route"
"""Key of the matched route's pattern in the ASGI scope."""
WHOAMI_TIMEOUT_S = 0.5
"""Longest time that /health takes to identify the caller of a key."""

_RANDOM = random.Random()


def fresh_id() -> UUID:
    """A request id. Not security-sensitive, so it avoids the ``os.urandom`` system call, which releases the GIL."""
    return UUID(int=_RANDOM.getrandbits(128), version=4)


@dataclass(slots=True)
class AppState:
    """State that all requests share. ``engine`` is None until the data folder is open.

    ``codec`` decodes and encodes what is large, ``disk`` receives uploads, ``scan`` adds up those that lie there: a slow disk
    holds up no answer.
    """

    settings: ServerConfig
    codec: Pool
    disk: Pool
    scan: Pool
    engine: Engine | None = None
    opening: asyncio.Event = field(default_factory=asyncio.Event)
    counters: RequestCounters = field(default_factory=RequestCounters)
    tickets: Tickets = field(default_factory=Tickets)
    admission: Admission = field(default_factory=Admission)
    memory: MemoryBudget = field(default_factory=MemoryBudget)
    connections: Connections | None = None
    uploads: UploadQuota = field(init=False)

    def __post_init__(self) -> None:
        self.uploads = UploadQuota(self.settings.pending_upload_bytes_per_user_max)

    def open(self, engine: Engine | None) -> None:
        """The data folder is open (None: it cannot be opened). Wakes the requests that wait for it."""
        self.engine = engine
        self.opening.set()

    async def opened(self) -> None:
        """Wait until the data folder is open, or the deadline of a request has passed; then ``ApiRequest.engine`` raises."""
        if self.engine is not None or self.opening.is_set():
            return
        try:
            async with asyncio.timeout(self.settings.request_timeout_s):
                await self.opening.wait()
        except TimeoutError:
            pass

    def close(self) -> None:
        """Close the pools after their running calls."""
        for pool in (self.codec, self.disk, self.scan):
            pool.close()


class ApiRequest(Request):
    """A request and what its handler needs. ``answer_headers`` are sent with the answer."""

    def __init__(self, scope: Scope, receive: Receive, *, app_state: AppState, with_peer: bool) -> None:
        super().__init__(scope, receive)
        self.app_state = app_state
        self.answer_headers: dict[str, str] = {}
        self._with_peer = with_peer
        self._caller: Caller | None = None
        self.credential_version = ""

    @property
    def id(self) -> str:
        """The id that the client sent or the server generated."""
        return str(self.scope.get(REQUEST_ID) or fresh_id())

    @property
    def engine(self) -> Engine:
        """The open engine. Raises ``Closed`` while the data folder is still being opened."""
        if self.app_state.engine is None:
            raise Closed(
                "the store is still being opened", remedy="retry in a second; GET /ready reports when it is open"
            )
        return self.app_state.engine

    @property
    def needs_lookup(self) -> bool:
        """Whether identifying the caller may have to wait for the store; in dev mode headers are enough."""
        return self.app_state.settings.mode != "dev"

    async def identify(self) -> Caller:
        """Identify the caller and check that it may use this route. Raises ``Denied``, ``Invalid``, ``Conflict``, ``Busy`` and
        ``Closed``."""
        found = await self._identity()
        self._caller, self.credential_version = found.caller, found.credential_version
        return found.caller

    async def _identity(self) -> Identity:
        settings = self.app_state.settings
        path: str = self.scope.get(ROUTE) or self.scope["path"]
        match settings.mode:
            case "api_key":
                found = await key_identity(self.headers, settings, self.engine.registry, with_peer=self._with_peer)
                if found.caller.role is Role.ROOT:
                    check_root_key(self.scope["method"], path)
                return found
            case "trusted":
                return await trusted_identity(
                    self.headers, self.query_params, path, settings, self.engine.registry, with_peer=self._with_peer
                )
        return dev_identity(self.headers, with_peer=self._with_peer)

    async def identify_by_ticket(self, token: str, *, sending: bool) -> Caller:
        """Act as the caller of a ticket. The handler consumes it, so a request that is rejected before does not use it up.
        Raises ``Denied``."""
        ticket = self.app_state.tickets.peek(token, sending=sending)
        await self.check_ticket(ticket)
        self._caller = ticket.caller
        return ticket.caller

    async def check_ticket(self, ticket: Ticket) -> None:
        """Check that the member a ticket was made for still exists, with the same key and role. Raises ``Denied``."""
        if self.app_state.settings.mode == "dev":
            return
        member = await self.engine.registry.member(ticket.caller.account, ticket.caller.user)
        if credential_version(member) != ticket.credential_version:
            self.app_state.tickets.drop(ticket)
            raise invalid_ticket()

    @property
    def caller(self) -> Caller:
        """The caller that ``identify`` returned. Raises ``Denied`` before that: no handler runs unauthenticated by omission."""
        if self._caller is None:
            raise Denied("authentication required", remedy="send an API key", code="UNAUTHENTICATED")
        return self._caller

    async def known_caller(self) -> dict[str, str]:
        """Return the caller of the request's key, for routes without authentication.

        {} without a key, with a wrong one, or if the caller cannot be identified at once.
        """
        settings = self.app_state.settings
        if settings.mode != "api_key" or self.app_state.engine is None or not key_of(self.headers):
            return {}
        try:
            async with asyncio.timeout(WHOAMI_TIMEOUT_S):
                found = await key_identity(self.headers, settings, self.app_state.engine.registry, with_peer=False)
        except (RecalldError, TimeoutError):
            return {}
        caller = found.caller
        return {"account_id": caller.account, "user_id": caller.user, "role": caller.role.value}

    @cached_property
    def workspace(self) -> Workspace:
        """The workspace of this request's caller."""
        return self.engine.as_caller(self.caller)

    def expand(self, uri: str) -> Uri:
        """Return the address of a text, as responses repeat it (``~`` and variables resolved)."""
        return resolve(uri, self.caller, time.time())

    def cut(self, found: list[T], limit: int) -> list[T]:
        """Return the first ``limit`` of items read with a limit of one more, and add a header if there are more."""
        if len(found) > limit:
            self.truncated(limit)
        return found[:limit]

    def truncated(self, limit: int) -> None:
        """Add the header that names the limit that cut off a list."""
        self.answer_headers["X-Recalld-Truncated"] = str(limit)

    def degraded(self, missing: Sequence[str]) -> None:
        """Add the header that names parts missing from the answer."""
        if missing:
            self.answer_headers["X-Recalld-Degraded"] = ",".join(missing)

    def ignored(self, parts: Sequence[str]) -> None:
        """Add the header that names parts of a filter that were ignored."""
        if parts:
            self.answer_headers["X-Recalld-Ignored"] = ",".join(parts)
