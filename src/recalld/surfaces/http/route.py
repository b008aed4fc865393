"""A route: reads arguments by the handler's signature, keeps its deadline, turns results and errors into envelopes.

FastAPI documents the routes from the same signatures (``document.py``); it does not run them, because decoding, limits
and encoding are ours and a request should cost tens of microseconds.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from recalld.app.config import ServerConfig
from recalld.domain.errors import RecalldError
from recalld.infra.tasks import cancel_when
from recalld.surfaces.http.admission import RequestClass, request_class
from recalld.surfaces.http.body import check_media_type, decode_at_once, decode_json, read_body
from recalld.surfaces.http.call import ROUTE, Call, Front, fresh_id
from recalld.surfaces.http.errors import invalid_parameters, of_error
from recalld.surfaces.http.lifetime import RequestLifetime, RequestPolicy
from recalld.surfaces.http.models.envelope import Told
from recalld.surfaces.http.reply import JsonBytes, failure, success


class Deadline(Enum):
    """Which limit a route's handler keeps. A request that waits (``wait`` true) brings its own."""

    RECALL = "recall"
    REQUEST = "request"
    NONE = "none"


# An engine keeps the recall deadline by itself and says what is missing; the edge only ends what hangs beyond it.
_RECALL_GRACE = 1.5
LOOK_AFTER_S = 0.25
"""Whether the client is still there is asked only of requests that take longer."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One line of the route table.

    ``result``: the type of the envelope's ``result`` as documented, or with ``bare`` of the whole body; ``peer`` False:
    the actor-peer header is not read; ``open``: nobody is asked who calls; ``status``: of a success; ``extra``: additions to the
    OpenAPI operation; ``later``: not served yet, and left out of the document; ``reads``: the handler reads the body itself,
    so nobody else may listen to the client meanwhile, and its type is the handler's to judge; ``ticket``: send or fetch, where
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
        """What telemetry calls it: ``search.find``."""
        return f"{self.tag}.{self.handler.__name__}"


class Handling:
    """The ASGI application of one route."""

    def __init__(self, verb: Verb, front: Front) -> None:
        self._verb = verb
        self._front = front
        self._arguments = Arguments(verb.handler)
        self._policy = _policy(verb, front.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        scope[ROUTE] = self._verb.path
        call = Call(scope, receive, front=self._front, with_peer=self._verb.peer)
        async with RequestLifetime(self._front.admission, self._policy) as lifetime:
            try:
                response = await self._answer(call, lifetime, started)
                lifetime.reserve(len(response.body) if isinstance(response, JsonBytes) else 0)
            except RecalldError as error:
                response = failure(*of_error(error))
            except ClientDisconnect:
                return  # nobody is left to be told
            # Sent while the slot is held: a slow reader uses up its own share.
            await response(scope, receive, send)

    async def _answer(self, call: Call, lifetime: RequestLifetime, started: float) -> Response:
        if not self._verb.open:
            await self._front.opened()
            await self._identify(call, lifetime)  # a bad identity is refused before the body is read
            lifetime.track_memory(self._front.memory, _who(call, self._verb))
        typed = not self._verb.reads and check_media_type(call)
        arguments, body = await self._arguments.of(call, lifetime, typed=typed)
        if self._verb.reads:  # and hears of a client who left by itself
            return await self._handled(call, lifetime, arguments, body, started)
        with cancel_when(lambda: _left(call), LOOK_AFTER_S) as gone:
            try:
                return await self._handled(call, lifetime, arguments, body, started)
            except asyncio.CancelledError:
                if not gone.fired:
                    raise
        await gone.absorb()
        raise ClientDisconnect

    async def _identify(self, call: Call, lifetime: RequestLifetime) -> None:
        token = call.query_params.get("token", "") if self._verb.ticket else ""
        if token:
            await lifetime.prepare(call.identify_by_ticket(token, sending=self._verb.ticket == "send"))
        elif call.looks_up:
            await lifetime.prepare(call.identify())
        else:
            await call.identify()

    async def _handled(
        self, call: Call, lifetime: RequestLifetime, arguments: dict[str, Any], body: BaseModel | None, started: float
    ) -> Response:
        asked = body if body is not None else arguments.get("query")
        waits = bool(getattr(asked, "wait", False))
        async with lifetime.running(_who(call, self._verb), waits=waits):
            result = await self._verb.handler(call, **arguments)
            if isinstance(result, Response):
                result.headers.update(call.answer_headers)
                return result
            told = _telemetry(body, self._verb.operation, started)
            return await success(
                result, telemetry=told, headers=call.answer_headers, pool=self._front.codec, status=self._verb.status
            )


def _policy(verb: Verb, settings: ServerConfig) -> RequestPolicy:
    kind = RequestClass.OPEN if verb.open else request_class(verb.method, verb.path)
    deadlines = {
        Deadline.RECALL: settings.recall_deadline_s * _RECALL_GRACE,
        Deadline.REQUEST: settings.request_deadline_s,
        Deadline.NONE: None,
    }
    recall = verb.deadline is Deadline.RECALL
    return RequestPolicy(
        verb.operation,
        kind,
        # A find needs the other half for its work.
        admission_s=settings.recall_deadline_s / 2 if recall else settings.request_deadline_s,
        deadline_s=deadlines[verb.deadline],
        wait_s=settings.wait_deadline_s,
        changes=verb.method != "GET" and not recall,
    )


def _who(call: Call, verb: Verb) -> str:
    return "" if verb.open else f"{call.caller.account}/{call.caller.user}"


async def _left(call: Call) -> None:
    """Until the client has gone."""
    while (await call.receive())["type"] != "http.disconnect":
        pass


class Arguments:
    """How a handler's parameters are filled.

    ``call`` is the request; a model annotated with ``Query()`` takes the query string; another model takes the JSON
    body (``Model | None = None``: the body may be missing); a plain ``str`` is a part of the path.
    """

    def __init__(self, handler: Callable[..., Awaitable[Any]]) -> None:
        self._body: tuple[str, type[BaseModel], bool] | None = None
        self._query: tuple[str, type[BaseModel]] | None = None
        self._path: list[str] = []
        hints = get_type_hints(handler, include_extras=True)
        for name in inspect.signature(handler).parameters:
            hint = hints[name]
            if name == "call":
                continue
            if get_origin(hint) is Annotated:
                self._query = (name, get_args(hint)[0])
            elif hint is str:
                self._path.append(name)
            else:
                options = get_args(hint) or (hint,)
                self._body = (name, options[0], len(options) > 1)

    async def of(
        self, call: Call, lifetime: RequestLifetime, *, typed: bool = False
    ) -> tuple[dict[str, Any], BaseModel | None]:
        """Arguments by name, and the body among them. ``typed``: its headers told of a body, and its type is one that is read.
        Raises ``Invalid`` with every problem listed."""
        values: dict[str, Any] = {name: call.path_params[name] for name in self._path}
        if self._query is not None:
            name, model = self._query
            values[name] = _fit(model, dict(call.query_params), "query")
        if self._body is None:
            return values, None
        name, model, optional = self._body
        data = await read_body(call, counted=lifetime.reserve)
        lifetime.received()
        if not typed:
            check_media_type(call, has_body=bool(data))
        done, given = decode_at_once(data) if data.strip() else (True, None)
        if not done:
            given = await lifetime.prepare(decode_json(data, call.front.codec))
        if given is None and optional:
            return values, None
        body = _fit(model, given if data.strip() else {}, "body")
        values[name] = body
        return values, body


def _fit(model: type[BaseModel], given: Any, where: str) -> BaseModel:
    try:
        return model.model_validate(given)
    except ValidationError as bad:
        raise invalid_parameters(
            where, bad.errors(include_url=False, include_context=False, include_input=False)
        ) from bad


def _telemetry(body: BaseModel | None, operation: str, started: float) -> dict[str, Any] | None:
    """What a request that asked for telemetry is told."""
    asked = body.telemetry if isinstance(body, Told) else False
    if asked is False:
        return None
    told: dict[str, Any] = {"id": f"tm_{fresh_id().hex}"}
    if asked is True or asked.summary:
        took_ms = round((time.perf_counter() - started) * 1000, 3)
        told["summary"] = {"operation": operation, "status": "ok", "duration_ms": took_ms}
    return told
