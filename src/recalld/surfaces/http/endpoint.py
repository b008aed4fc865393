"""An endpoint: reads arguments by the handler's signature, enforces its deadline, turns results and errors into envelopes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from recalld.app.config import ServerConfig
from recalld.domain.errors import RecalldError
from recalld.infra.tasks import cancel_when
from recalld.surfaces.http.admission import RequestClass, request_class
from recalld.surfaces.http.body import check_media_type, decode_at_once, decode_json, read_body
from recalld.surfaces.http.lifetime import RequestLifetime, RequestPolicy
from recalld.surfaces.http.models.envelope import TelemetryBody
from recalld.surfaces.http.reply import JsonBytes, failure, invalid_parameters, of_error, success
from recalld.surfaces.http.request import ROUTE, ApiRequest, AppState, fresh_id

T = TypeVar("T")


class Deadline(Enum):
    """Which deadline the handler of an endpoint has. A request with ``wait`` has the wait timeout."""

    RECALL = "recall"
    REQUEST = "request"
    NONE = "none"


# The engine enforces the recall deadline itself and returns what it has; this one only ends requests that hang beyond it.
_RECALL_GRACE = 1.5
DISCONNECT_CHECK_AFTER_S = 0.25
"""Requests that take longer are cancelled when their client disconnects."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One entry of the route table.

    ``result``: the type of the envelope's ``result`` as documented, or with ``bare`` of the whole body; ``peer`` False:
    the actor-peer header is not read; ``open``: no authentication; ``status``: of a success; ``extra``: additions to the
    OpenAPI operation; ``later``: not implemented, and left out of the document; ``reads``: the handler reads the body itself
    and checks its type, so nothing else may read from the client meanwhile; ``ticket``: send or fetch, where
    a query parameter ``token`` of that kind stands for a key.
    """

    method: str
    path: str
    handler: Callable[..., Awaitable[Any]]
    result: Any
    summary: str
    deadline: Deadline = Deadline.REQUEST
    peer: bool = True
    bare: bool = False
    open: bool = False
    status: int = 200
    extra: dict[str, Any] | None = None
    deprecated: bool = False
    media: str = "application/json"
    later: bool = False
    reads: bool = False
    ticket: Literal["", "send", "fetch"] = ""

    @property
    def tag(self) -> str:
        """The group it is documented in: the first word after ``/api/v1/``."""
        words = self.path.strip("/").split("/")
        return words[2] if len(words) > 2 else "system"

    @property
    def operation(self) -> str:
        """Its name in telemetry: ``search.find``."""
        return f"{self.tag}.{self.handler.__name__.rstrip('_')}"


class EndpointApp:
    """The ASGI application of one route."""

    def __init__(self, endpoint: Endpoint, app_state: AppState) -> None:
        self._endpoint = endpoint
        self._app_state = app_state
        self._arguments = Arguments(endpoint.handler)
        self._policy = _policy(endpoint, app_state.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        scope[ROUTE] = self._endpoint.path
        request = ApiRequest(scope, receive, app_state=self._app_state, with_peer=self._endpoint.peer)
        async with RequestLifetime(self._app_state.admission, self._policy) as lifetime:
            try:
                response = await self._answer(request, lifetime, started)
                lifetime.reserve(len(response.body) if isinstance(response, JsonBytes) else 0)
            except RecalldError as error:
                response = failure(*of_error(error))
            except ClientDisconnect:
                return  # the client has disconnected
            # Sent while the slot is held: a slow reader uses up its own share.
            await response(scope, receive, send)

    async def _answer(self, request: ApiRequest, lifetime: RequestLifetime, started: float) -> Response:
        if not self._endpoint.open:
            await self._app_state.opened()
            await self._identify(request, lifetime)  # bad credentials are rejected before the body is read
            lifetime.track_memory(self._app_state.memory, _who(request, self._endpoint))
        typed = not self._endpoint.reads and check_media_type(request)
        arguments, body = await self._arguments.of(request, lifetime, typed=typed)
        if self._endpoint.reads:  # and notices by itself that the client disconnected
            return await self._run(request, lifetime, arguments, body, started)
        return await while_connected(request, self._run(request, lifetime, arguments, body, started))

    async def _identify(self, request: ApiRequest, lifetime: RequestLifetime) -> None:
        token = request.query_params.get("token", "") if self._endpoint.ticket else ""
        if token:
            await lifetime.prepare(request.identify_by_ticket(token, sending=self._endpoint.ticket == "send"))
        elif request.needs_lookup:
            await lifetime.prepare(request.identify())
        else:
            await request.identify()

    async def _run(
        self,
        request: ApiRequest,
        lifetime: RequestLifetime,
        arguments: dict[str, Any],
        body: BaseModel | None,
        started: float,
    ) -> Response:
        options = body if body is not None else arguments.get("query")
        waits = bool(getattr(options, "wait", False))
        async with lifetime.running(_who(request, self._endpoint), waits=waits):
            result = await self._endpoint.handler(request, **arguments)
            if isinstance(result, Response):
                result.headers.update(request.answer_headers)
                return result
            telemetry = _telemetry(body, self._endpoint.operation, started)
            return await success(
                result,
                telemetry=telemetry,
                headers=request.answer_headers,
                pool=self._app_state.codec,
                status=self._endpoint.status,
            )


def _policy(endpoint: Endpoint, settings: ServerConfig) -> RequestPolicy:
    kind = RequestClass.OPEN if endpoint.open else request_class(endpoint.method, endpoint.path)
    deadlines = {
        Deadline.RECALL: settings.search_timeout_s * _RECALL_GRACE,
        Deadline.REQUEST: settings.request_timeout_s,
        Deadline.NONE: None,
    }
    recall = endpoint.deadline is Deadline.RECALL
    return RequestPolicy(
        endpoint.operation,
        kind,
        # The other half of the timeout is for the search itself.
        admission_s=settings.search_timeout_s / 2 if recall else settings.request_timeout_s,
        deadline_s=deadlines[endpoint.deadline],
        wait_s=settings.wait_timeout_s,
        changes=endpoint.method != "GET" and not recall,
    )


def _who(request: ApiRequest, endpoint: Endpoint) -> str:
    return "" if endpoint.open else f"{request.caller.account}/{request.caller.user}"


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """Await ``work``; it is cancelled when the client disconnects, and ``ClientDisconnect`` raised."""
    with cancel_when(lambda: _disconnected(request), DISCONNECT_CHECK_AFTER_S) as disconnect:
        try:
            return await work
        except asyncio.CancelledError:
            if not disconnect.fired:
                raise
    await disconnect.absorb()
    raise ClientDisconnect


async def _disconnected(request: Request) -> None:
    """Return when the client has disconnected."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


class Arguments:
    """The parameters of a handler, besides ``request``.

    ``query`` is a model of the query string, ``body`` a model of the JSON body (``Model | None = None``: the body may be
    missing); every other parameter is a text of the path.
    """

    def __init__(self, handler: Callable[..., Awaitable[Any]]) -> None:
        hints = {name: hint for name, hint in get_type_hints(handler).items() if name not in {"request", "return"}}
        self.query: type[BaseModel] | None = hints.pop("query", None)
        self.body_hint: Any = hints.pop("body", None)
        options = get_args(self.body_hint)
        self.body: type[BaseModel] | None = options[0] if options else self.body_hint
        self.body_optional = bool(options)
        self.path = list(hints)

    async def of(
        self, request: ApiRequest, lifetime: RequestLifetime, *, typed: bool = False
    ) -> tuple[dict[str, Any], BaseModel | None]:
        """Return the arguments by name, and the body among them. ``typed``: the headers announce a body of an accepted media type.

        Raises ``Invalid`` with every problem listed.
        """
        values: dict[str, Any] = {name: request.path_params[name] for name in self.path}
        if self.query is not None:
            values["query"] = _fit(self.query, dict(request.query_params), "query")
        if self.body is None:
            return values, None
        data = await read_body(request, counted=lifetime.reserve)
        lifetime.received()
        if not typed:
            check_media_type(request, has_body=bool(data))
        decoded, value = decode_at_once(data) if data.strip() else (True, None)
        if not decoded:
            value = await lifetime.prepare(decode_json(data, request.app_state.codec))
        if value is None and self.body_optional:
            return values, None
        body = _fit(self.body, value if data.strip() else {}, "body")
        values["body"] = body
        return values, body


def _fit(model: type[BaseModel], value: Any, where: str) -> BaseModel:
    try:
        return model.model_validate(value)
    except ValidationError as bad:
        raise invalid_parameters(
            where, bad.errors(include_url=False, include_context=False, include_input=False)
        ) from bad


def _telemetry(body: BaseModel | None, operation: str, started: float) -> dict[str, Any] | None:
    """The telemetry of the response, for a request that wants it."""
    wanted = body.telemetry if isinstance(body, TelemetryBody) else False
    if wanted is False:
        return None
    telemetry: dict[str, Any] = {"id": f"tm_{fresh_id().hex}"}
    if wanted is True or wanted.summary:
        took_ms = round((time.perf_counter() - started) * 1000, 3)
        telemetry["summary"] = {"operation": operation, "status": "ok", "duration_ms": took_ms}
    return telemetry
