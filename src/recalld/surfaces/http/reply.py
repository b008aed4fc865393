"""JSON responses and their envelope, encoded by native code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from recalld.infra.thread_pool import Pool

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
