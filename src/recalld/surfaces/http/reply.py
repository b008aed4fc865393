"""JSON responses and their envelope, encoded by native code; the HTTP form of every error, in one table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from recalld.domain.errors import Busy, Denied, Invalid, RecalldError
from recalld.infra.thread_pool import Pool
from recalld.rules.wording import worded

STATUS: dict[str, int] = {
    "INVALID_ARGUMENT": 400,
    "INVALID_URI": 400,
    "UNSUPPORTED_URI": 400,
    "UNSUPPORTED_MODE": 400,
    "SKILL_INVALID": 400,
    "SKILL_CAPABILITY_UNAVAILABLE": 400,
    "INVALID_FILTER": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "CONFLICT": 409,
    "ABORTED": 409,
    "WRITE_CONFLICT": 409,
    "SESSION_EXPIRED": 410,
    "FAILED_PRECONDITION": 412,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "INTERNAL_ERROR": 500,
    "NOT_INITIALIZED": 500,
    "PROCESSING_ERROR": 500,
    "EMBEDDING_FAILED": 500,
    "VLM_FAILED": 500,
    "RESTORE_WRITEBACK_PARTIAL": 500,
    "AGENT_OUTPUT_INVALID": 500,
    "WRITE_FAILED": 500,
    "REFRESH_FAILED": 500,
    "UNKNOWN": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "MODEL_UNAVAILABLE": 503,
    "BOT_RESTARTED": 503,
    "NO_VECTOR_DB": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""Code -> HTTP status; any other code is a 500. What is permanently too large is 413 instead of 429."""

WORDS = {
    "begin_new_store": "recalld fsck --new-store --data",
    "check": "recalld fsck",
    "config": "--config",
    "confirm_removals": "recalld add --yes, args.confirm_removals",
    "create_account": "POST /api/v1/admin/accounts",
    "create_user": "POST /api/v1/admin/accounts/{account}/users",
    "data": "--data",
    "keep_removed": "--keep-removed, args.keep_removed",
    "repair": "recalld fsck --repair",
    "snapshot_log": "GET /api/v1/snapshot/log",
    "snapshot_versions": "GET /api/v1/snapshot/versions",
    "validate_skill": "recalld skills validate",
}
"""What remedies call by the name of an operation."""

_CODE_OF_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "CONFLICT",
    410: "SESSION_EXPIRED",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_RETRY_STATUS = frozenset({429, 503})
_SHOWN_MAX = 20
"""Largest number of problems listed for one request."""

Failure = tuple[int, dict[str, Any], dict[str, str]]
"""HTTP status, the envelope's ``error`` object, extra headers."""


class Misdirected(Denied):
    """The request names a host that is not this server's."""


class UnsupportedMediaType(Invalid):
    """The body is not of the type that the route reads."""


class ContentTooLarge(Invalid):
    """The body has more bytes than the route takes."""


_STATUS_OF: dict[type[RecalldError], int] = {Misdirected: 421, UnsupportedMediaType: 415, ContentTooLarge: 413}
"""Errors of HTTP itself, whose status says more than their code."""


def of_error(error: RecalldError) -> Failure:
    """Return a domain error in its HTTP form. Its code decides the status, its remedy ends the message."""
    status = _STATUS_OF.get(type(error)) or STATUS.get(error.code, 500)
    if status == 429 and not error.retryable:
        status = 413  # too much for ever: clients take 429 for an invitation to ask again
    headers: dict[str, str] = {}
    if isinstance(error, Busy):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    elif status in _RETRY_STATUS and error.retryable:
        headers["Retry-After"] = "1"
    if status == 401 and isinstance(error, Denied):
        headers["WWW-Authenticate"] = 'Bearer realm="recalld"'
    details = dict(error.details)
    if status == 409 and error.retryable:
        # Clients keep a 409 for later only if it says so; any other 4xx makes them drop the message.
        details.setdefault("retryable", True)
    message = f"{error.message} ({worded(error.remedy, WORDS)})" if error.remedy else error.message
    return status, {"code": error.code, "message": message, "details": details}, headers


def of_status(status: int, message: str) -> Failure:
    """Return an error of the framework: unknown path, wrong method."""
    details: dict[str, Any] = {}
    if status == 422:
        details["original_http_status_code"], status = 422, 400
    elif status == 502:
        details["original_http_status_code"], status = 502, 503
    code = _CODE_OF_STATUS.get(status, "UNKNOWN")
    return status, {"code": code, "message": message, "details": details}, {}


def invalid_parameters(where: str, problems: Sequence[Mapping[str, Any]]) -> Invalid:
    """Return the error for a request that does not fit its model.

    ``where``: body, query or path; ``problems``: as pydantic lists them (``loc``, ``msg``, ``type``).
    """
    listed = [
        {"loc": [where, *p["loc"]], "message": p["msg"].removeprefix("Value error, "), "type": p["type"]}
        for p in problems[:_SHOWN_MAX]
    ]
    summary = "; ".join(f"{'.'.join(str(step) for step in p['loc'])}: {p['message']}" for p in listed)
    return Invalid(f"Invalid request parameters: {summary}", details={"validation_errors": listed})


_HEAD = b'{"status":"ok","result":'
_END = b',"error":null,"telemetry":null,"profile":null}'
_JSON = "application/json"
NOSNIFF = (b"x-content-type-options", b"nosniff")
NO_STORE = (b"cache-control", b"no-store")
LARGE_CHARS = 256 * 1024
SLICE_BYTES = 64 * 1024
LARGE_ITEMS = 2_000


class JsonBytes(Response):
    """A body that is JSON already. A large one is sent in slices, each after the one before was accepted; until then the request
    counts as in progress."""

    media_type = _JSON

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ``Response``."""
        body = bytes(self.body)
        if len(body) <= SLICE_BYTES:
            await super().__call__(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for start in range(0, len(body), SLICE_BYTES):
            part = body[start : start + SLICE_BYTES]
            await send({"type": "http.response.body", "body": part, "more_body": True})
        # Sent when the buffer has space again; earlier data has left by then.
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def success(
    result: Any, *, telemetry: Mapping[str, Any] | None, headers: Mapping[str, str], pool: Pool, status: int = 200
) -> Response:
    """The success envelope around ``result``; large ones are encoded on ``pool``."""
    body = await pool.run(_encode, result) if _is_large(result) else _encode(result)
    end = _END if telemetry is None else b',"error":null,"telemetry":' + _encode(telemetry) + b',"profile":null}'
    return JsonBytes(_HEAD + body + end, status_code=status, headers=dict(headers))


def failure(status: int, error: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    """The error envelope."""
    body = {"status": "error", "result": None, "error": error, "telemetry": None, "profile": None}
    return JsonBytes(_encode(body), status_code=status, headers=dict(headers))


def plain(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON without the envelope (/health, /ready)."""
    return JsonBytes(_encode(body), status_code=status, headers=dict(headers or {}))


def _encode(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS, default=str)


def _is_large(result: Any) -> bool:
    if isinstance(result, str):
        return len(result) > LARGE_CHARS
    if isinstance(result, list):
        return len(result) > LARGE_ITEMS
    if isinstance(result, dict):
        return any(isinstance(v, (str, list)) and _is_large(v) for v in result.values())
    return False
