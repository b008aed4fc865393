"""JSON over HTTP to one provider: every wait has a deadline, every body a limit, every failure a kind."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

import orjson

from recalld.domain.errors import Invalid, Upstream

from .http1 import CONNECTION_FAILURES, ConnectionPool, TooLarge
from .thread_pool import Pool

BODY_BYTES_MAX = 8 << 20
"""A batch of vectors as decimal numbers takes half of it."""
LARGE_BYTES = 128 << 10
"""Bodies from here on are decoded on a thread."""
REFUSAL_BYTES_MAX = 16 << 10
RETRY_AFTER_MAX_S = 600.0


class Kind(StrEnum):
    """Why a provider failed us, as ``details.kind`` of the ``Upstream`` that says so."""

    AUTH = "auth"
    BILLING = "billing"
    RATE = "rate"
    SERVER = "server"
    TIMEOUT = "timeout"
    NETWORK = "network"
    REQUEST = "request"
    FORMAT = "format"


CODES = frozenset(
    {
        "invalid_api_key", "authentication_error", "permission_error", "unsupported_country_region_territory",
        "insufficient_quota", "billing_error", "rate_limit_exceeded", "rate_limit_error", "overloaded_error",
        "model_not_found", "not_found_error", "invalid_request_error", "unsupported_parameter", "unsupported_value",
        "context_length_exceeded", "string_above_max_length", "request_too_large", "content_filter",
        "content_policy_violation", "server_error", "api_error",
    }
)  # fmt: skip
"""Words for what was wrong, known beforehand: all that is repeated of a refusal. What else it says may quote the key and the
texts it was sent, as several gateways do."""
_KINDS = {401: Kind.AUTH, 403: Kind.AUTH, 402: Kind.BILLING, 429: Kind.RATE, 408: Kind.TIMEOUT, 504: Kind.TIMEOUT}
_REMEDIES = {
    Kind.AUTH: "check its api_key",
    Kind.BILLING: "check the account's credit with that provider",
    Kind.RATE: "rate limited; a larger quota helps",
    Kind.SERVER: "check the provider's status page",
    Kind.TIMEOUT: "raise its timeout_s, or check the provider's status page",
    Kind.NETWORK: "check its base_url and the network",
    Kind.REQUEST: "check its base_url, model and dimensions",
    Kind.FORMAT: "check its base_url and model: this is not the interface they were set up for",
}


class JsonApi:
    """One provider's HTTP interface. Connections are kept; their number is bounded."""

    def __init__(self, name: str, base_url: str, headers: Mapping[str, str], *, connections_max: int = 64) -> None:
        self.name = name
        self._headers = {
            "User-Agent": "recalld",
            "Accept": "application/json",
            "Content-Type": "application/json",
            **headers,
        }
        try:
            self._connections = ConnectionPool(base_url, connections_max=connections_max)
        except ValueError as bad:
            raise Invalid(f"{name}: {bad}", remedy="set its base_url", details={"field": "base_url"}) from bad
        self._decoding = Pool(f"json-{name}", running_max=1, waiting_max=32)

    async def post(self, path: str, body: Mapping[str, Any], *, deadline_s: float) -> Any:
        """Send JSON and return the JSON that comes back. Raises ``Upstream`` with ``details.kind``, ``details.status`` and,
        for a 429 that says so, ``details.retry_after_s``; ``Busy`` when too many bodies wait to be decoded."""
        try:
            async with asyncio.timeout(deadline_s):
                return await self._decoded(await self._send(path, _encoded(body)))
        except TimeoutError as late:
            raise self._failure(Kind.TIMEOUT, f"gave no answer in {deadline_s:g} s") from late
        except CONNECTION_FAILURES as broken:
            raise self._failure(Kind.NETWORK, f"could not be asked: {type(broken).__name__} {broken}") from broken

    async def close(self) -> None:
        """Drop the connections."""
        self._decoding.close()
        await self._connections.close()

    async def _send(self, path: str, body: bytes) -> bytes:
        try:
            response = await self._connections.post(path, self._headers, body, bytes_max=BODY_BYTES_MAX)
        except TooLarge as large:
            raise self._failure(Kind.FORMAT, f"wants to send {large}") from large
        if response.status >= 300:
            raise self._rejected(response.status, response.headers.get("retry-after", ""), response.body)
        return response.body

    async def _decoded(self, data: bytes) -> Any:
        try:
            return orjson.loads(data) if len(data) < LARGE_BYTES else await self._decoding.run(orjson.loads, data)
        except orjson.JSONDecodeError as bad:
            raise self._failure(Kind.FORMAT, "answered something that is no JSON") from bad

    def _rejected(self, status: int, retry_after: str, data: bytes) -> Upstream:
        kind = _KINDS.get(status, Kind.SERVER if status >= 500 else Kind.REQUEST)
        wait_s = _seconds(retry_after, time.time())
        more: dict[str, float | str] = {} if wait_s is None else {"retry_after_s": min(wait_s, RETRY_AFTER_MAX_S)}
        code = _code(data)
        more |= {"code": code} if code else {}
        return self._failure(kind, f"answered {status}" + (f" ({code})" if code else ""), status=status, **more)

    def _failure(self, kind: Kind, what: str, **details: float | str) -> Upstream:
        return Upstream(f"{self.name} {what}", remedy=_REMEDIES[kind], details={"kind": str(kind), **details})


def _encoded(body: Mapping[str, Any]) -> bytes:
    """As JSON. A lone half of a character, which no UTF-8 can hold, becomes a question mark."""
    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def _seconds(retry_after: str, now: float) -> float | None:
    """A Retry-After header, seconds (fractions as well) or a date, as seconds from now on; None for anything else."""
    try:
        if retry_after[:1].isdecimal():
            return float(retry_after)
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - now)
    except ValueError:
        return None


def _code(refusal: bytes) -> str:
    """The known word that a refusal gives as ``code``, ``type`` or ``status`` of its error, "" = none."""
    if len(refusal) > REFUSAL_BYTES_MAX:
        return ""
    try:
        payload = orjson.loads(refusal)
    except orjson.JSONDecodeError:
        return ""
    error = payload.get("error", payload) if isinstance(payload, dict) else None
    words = [error.get(name) for name in ("code", "type", "status")] if isinstance(error, dict) else []
    return next((word for word in words if isinstance(word, str) and word in CODES), "")


def misshapen(name: str, what: str) -> Upstream:
    """A well-formed answer of another shape than requested."""
    return Upstream(f"{name} {what}", remedy=_REMEDIES[Kind.FORMAT], details={"kind": str(Kind.FORMAT)})


def bearer(api_key: str) -> dict[str, str]:
    """Return the header that carries the key; a local server needs none."""
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}
