"""Kept connections to one provider, on httpx's engine, the one used last taken first.

A pool of many connections asks the system about each idle one at every request's beginning and end: with thirty people
asking that took a third of the loop's time. Here each line is a pool of one connection, on asyncio's own streams.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore2

BROKEN = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.UnsupportedProtocol,
)
"""What a request raises when no whole answer came."""


class Lines:
    """At most ``lines_max`` requests at once; one more waits, under its caller's deadline. Follows the proxies of the
    environment. Raises ``ValueError`` for an address that is none."""

    def __init__(self, base_url: str, *, lines_max: int) -> None:
        self._base_url = base_url.rstrip("/") + "/"
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
            raise ValueError(f"{base_url!r} is no http or https address")
        self._trusted = _trusted() if parts.scheme == "https" else None
        self._proxy = _proxy(parts.scheme, parts.hostname)
        self._host = parts.netloc.rpartition("@")[2]
        self._places = asyncio.Semaphore(lines_max)
        self._idle: list[httpcore2.AsyncConnectionPool] = []

    @asynccontextmanager
    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> AsyncIterator[httpcore2.Response]:
        """The response, whose body is read inside the block. Raises one of ``BROKEN``."""
        async with self._places:
            line = self._idle.pop() if self._idle else self._opened()
            try:
                url = self._base_url + path.lstrip("/")
                sent = [("Host", self._host), ("Content-Length", str(len(body))), *headers.items()]
                async with line.stream("POST", url, headers=sent, content=body) as response:
                    yield response
            finally:
                self._idle.append(line)

    async def close(self) -> None:
        """Drop the connections."""
        while self._idle:
            await self._idle.pop().aclose()

    def _opened(self) -> httpcore2.AsyncConnectionPool:
        return httpcore2.AsyncConnectionPool(
            ssl_context=self._trusted, proxy=self._proxy, max_connections=1, network_backend=_Streams()
        )


def _trusted() -> ssl.SSLContext:
    """Who is believed: the authorities that come with the library, and the system's (or SSL_CERT_FILE's)."""
    context = httpcore2.default_ssl_context()
    context.load_default_certs()
    return context


def _proxy(scheme: str, host: str) -> httpcore2.Proxy | None:
    proxies = getproxies()
    url = proxies.get(scheme) or proxies.get("all", "")
    if not url or proxy_bypass(host):
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    auth = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return httpcore2.Proxy(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", auth=auth)


class _Streams(httpcore2.AsyncNetworkBackend):
    """Connections by asyncio itself: what lies between it and the engine otherwise costs as much as the engine. Timeouts
    are not passed on: the whole call has one deadline."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            return _Stream(*await asyncio.open_connection(host, port))
        except OSError as failed:
            raise httpcore2.ConnectError(str(failed)) from failed


class _Stream(httpcore2.AsyncNetworkStream):
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return await self._reader.read(max_bytes)
        except OSError as failed:
            raise httpcore2.ReadError(str(failed)) from failed

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            self._writer.write(buffer)
            await self._writer.drain()
        except (OSError, RuntimeError) as failed:  # the latter from uvloop, of a transport that closed a moment ago
            raise httpcore2.WriteError(str(failed)) from failed

    async def aclose(self) -> None:
        self._writer.close()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        try:
            await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
        except OSError as failed:  # a certificate nobody vouches for, too
            raise httpcore2.ConnectError(str(failed)) from failed
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":  # asked of an idle connection: has the other side hung up?
            return self._reader.at_eof() or self._writer.is_closing()
        return self._writer.get_extra_info(info)
