"""JSON over HTTP to one provider: every wait has a deadline, every body a limit, every failure a kind."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import orjson

from recalld.domain.errors import Invalid, Upstream

from .lines import BROKEN, Lines, TooLarge
from .offload import Pool

BODY_BYTES_MAX = 8 << 20
"""A batch of vectors as decimal numbers takes half of it."""
LARGE_BYTES = 128 << 10
"""Bodies from here on are decoded on a thread."""
SAID_CHARS_MAX = 200
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


_KINDS = {401: Kind.AUTH, 403: Kind.AUTH, 402: Kind.BILLING, 429: Kind.RATE, 408: Kind.TIMEOUT, 504: Kind.TIMEOUT}
_REMEDIES = {
    Kind.AUTH: "check its api_key",
    Kind.BILLING: "check the account's credit with that provider",
    Kind.RATE: "it is asked more slowly now; a larger quota helps",
    Kind.SERVER: "check the provider's status page",
    Kind.TIMEOUT: "raise its deadline_s, or check the provider's status page",
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
            self._lines = Lines(base_url, lines_max=connections_max)
        except ValueError as bad:
            raise Invalid(f"{name}: {bad}", remedy="set its base_url", details={"field": "base_url"}) from bad
        self._decoding = Pool(f"json-{name}", running_max=1, waiting_max=32)

    async def post(self, path: str, body: Mapping[str, Any], *, deadline_s: float) -> Any:
        """Send JSON and return the JSON that comes back. Raises ``Upstream`` with ``details.kind``, ``details.status`` and,
        for a 429 that says so, ``details.retry_after_s``; ``Busy`` when too many bodies wait to be decoded."""
        try:
            async with asyncio.timeout(deadline_s):
                data = await self._answered(path, orjson.dumps(body))
                return await self._decoded(data)
        except TimeoutError as late:
            raise self._failure(Kind.TIMEOUT, f"gave no answer in {deadline_s:g} s") from late
        except BROKEN as broken:
            raise self._failure(Kind.NETWORK, f"could not be asked: {type(broken).__name__} {broken}") from broken

    async def close(self) -> None:
        """Drop the connections."""
        self._decoding.close()
        await self._lines.close()

    async def _answered(self, path: str, body: bytes) -> bytes:
        try:
            reply = await self._lines.post(path, self._headers, body, bytes_max=BODY_BYTES_MAX)
        except TooLarge as large:
            raise self._failure(Kind.FORMAT, f"wants to send {large}") from large
        if reply.status >= 300:
            raise self._refused(reply.status, reply.headers.get("retry-after", ""), reply.body)
        return reply.body

    async def _decoded(self, data: bytes) -> Any:
        try:
            return orjson.loads(data) if len(data) < LARGE_BYTES else await self._decoding.run(orjson.loads, data)
        except orjson.JSONDecodeError as bad:
            raise self._failure(Kind.FORMAT, "answered something that is no JSON") from bad

    def _refused(self, status: int, retry_after: str, data: bytes) -> Upstream:
        kind = _KINDS.get(status, Kind.SERVER if status >= 500 else Kind.REQUEST)
        said = data[: 4 * SAID_CHARS_MAX].decode("utf-8", "replace")[:SAID_CHARS_MAX]
        more = {"retry_after_s": min(float(retry_after), RETRY_AFTER_MAX_S)} if retry_after.isdecimal() else {}
        return self._failure(kind, f"answered {status}: {' '.join(said.split())}", status=status, **more)

    def _failure(self, kind: Kind, what: str, **details: float) -> Upstream:
        return Upstream(f"{self.name} {what}", remedy=_REMEDIES[kind], details={"kind": str(kind), **details})


def misshapen(name: str, what: str) -> Upstream:
    """A well-formed answer that is not what was asked for."""
    return Upstream(f"{name} {what}", remedy=_REMEDIES[Kind.FORMAT], details={"kind": str(Kind.FORMAT)})
