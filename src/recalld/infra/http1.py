"""A pool of HTTP/1.1 connections to one provider; the most recently used is taken first.

General HTTP clients cost 0.3 to 0.6 ms of the loop's time a call, a fifth of the time of many concurrent finds (decision
0011). Here a call is one write, and httptools, the server's own parser, parses the response. Where the environment names a
proxy, requests go through httpcore2.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from typing import NamedTuple, cast
from urllib.parse import quote, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore2
import httptools

HEAD_BYTES_MAX = 64 << 10
IDLE_MAX_S = 5.0
"""A connection that was idle for longer is not reused: NATs and load balancers drop such connections silently."""
_KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
"""A response may take minutes: TCP keep-alive checks meanwhile that the peer is still there."""


class ConnectionBroken(Exception):
    """No complete response arrived."""


class TooLarge(Exception):
    """The response is, or declares to be, larger than allowed."""


CONNECTION_FAILURES = (
    ConnectionBroken,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.UnsupportedProtocol,
)
"""What a request raises when no complete response arrived."""


class Response(NamedTuple):
    """A complete response. Names of ``headers`` are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes


class ConnectionPool:
    """At most ``connections_max`` requests at once; further ones wait, within their callers' deadlines. An idle connection that
    turns out to be closed before any response is replaced once. Uses the proxies of the environment.

    Raises ``ValueError`` for an address that is none.
    """

    def __init__(self, base_url: str, *, connections_max: int) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
            raise ValueError(f"{_redact_password(base_url)!r} is no http or https address")
        self._base_url = base_url.rstrip("/") + "/"
        self._path = parts.path.rstrip("/") + "/"
        self._whole = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._host, self._port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
        self._named = parts.netloc.rpartition("@")[2]
        self._ssl_context = _ssl_context() if parts.scheme == "https" else None
        self._slots = asyncio.Semaphore(connections_max)
        self._idle: list[Connection] = []
        self._timer: asyncio.TimerHandle | None = None
        proxy = _proxy(parts.scheme, parts.hostname)
        self._proxied = None
        if proxy is not None:
            self._proxied = httpcore2.AsyncConnectionPool(
                ssl_context=self._ssl_context, proxy=proxy, max_connections=connections_max
            )

    async def post(self, path: str, headers: Mapping[str, str], body: bytes, *, bytes_max: int) -> Response:
        """Send a POST to ``path`` below the base URL ("": the base URL itself); returns the response.

        Raises one of ``CONNECTION_FAILURES``, and ``TooLarge`` beyond ``bytes_max``.
        """
        sent = {"Host": self._named, "Content-Length": str(len(body)), **headers}
        async with self._slots:
            if self._proxied is not None:
                url = self._base_url + path.lstrip("/") if path else self._base_url.rstrip("/")
                return await _post_via_proxy(self._proxied, url, sent, body, bytes_max)
            request = _head(self._path + path.lstrip("/") if path else self._whole, sent) + body
            idle = self._take_idle()
            if idle is not None:
                try:
                    return await self._send(idle, request, bytes_max)
                except ConnectionBroken:
                    if idle.responded:
                        raise
                    # Closed on the way, before a byte of an answer: it was never read. Once more, on a connection of now.
            return await self._send(await self._connect(), request, bytes_max)

    @property
    def idle(self) -> int:
        """Idle connections."""
        return len(self._idle)

    async def close(self) -> None:
        """Close the connections."""
        self._drop(len(self._idle))
        if self._timer is not None:
            self._timer.cancel()
        if self._proxied is not None:
            await self._proxied.aclose()

    async def _send(self, connection: Connection, request: bytes, bytes_max: int) -> Response:
        try:
            return await connection.send(request, bytes_max)
        finally:
            if connection.open:
                connection.idle_since = asyncio.get_running_loop().time()
                self._idle.append(connection)
                self._expire_later()
            elif not connection.responded:
                # Silence on one: whatever keeps connections on the way may have forgotten all that were quiet as long.
                self._drop(len(self._idle))

    def _take_idle(self) -> Connection | None:
        """The most recently used connection, if it is open and fresh."""
        self._expire()
        while self._idle:
            connection = self._idle.pop()
            if connection.open:
                return connection
        return None

    async def _connect(self) -> Connection:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                Connection, self._host, self._port, ssl=self._ssl_context
            )
        except OSError as failed:  # an untrusted certificate, too
            raise ConnectionBroken(str(failed)) from failed
        return connection

    def _expire(self) -> None:
        """Close connections idle for ``IDLE_MAX_S``: the oldest come first."""
        until = asyncio.get_running_loop().time() - IDLE_MAX_S
        self._drop(sum(1 for connection in self._idle if connection.idle_since <= until or not connection.open))

    def _drop(self, count: int) -> None:
        for connection in self._idle[:count]:
            connection.close()
        del self._idle[:count]

    def _expire_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(IDLE_MAX_S + 0.01, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._expire()
        if self._idle:
            self._expire_later()


class Connection(asyncio.Protocol):
    """One connection, with one request at a time. Any protocol error closes it."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self.responded = False
        """Whether anything came in answer to the last request."""
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Response] | None = None
        self._begin(0)

    @property
    def open(self) -> bool:
        """Whether it can take a request."""
        return self._transport is not None and not self._transport.is_closing() and self._answer is None

    async def send(self, request: bytes, bytes_max: int) -> Response:
        """Send a complete request and return the complete response. Cancelled or failed, it leaves the connection closed."""
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ConnectionBroken("the connection was closed")
        self._begin(bytes_max)
        self.responded = False
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._answer = answer
        try:
            transport.write(request)
            return await answer
        except RuntimeError as closed:  # uvloop, of a transport that closed a moment ago
            raise ConnectionBroken(str(closed)) from closed
        finally:
            if not answer.done() or answer.cancelled() or answer.exception() is not None:
                transport.abort()
            self._answer = None

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def _begin(self, bytes_max: int) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._bytes_max = bytes_max
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._headed = False
        self._body = bytearray()

    def _end(self, outcome: Response | Exception) -> None:
        if self._answer is None or self._answer.done():
            return
        if isinstance(outcome, Response):
            self._answer.set_result(outcome)
        else:
            self._answer.set_exception(outcome)

    # ------------------------------------------------------------------ from the loop
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if (sock := transport.get_extra_info("socket")) is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _KEEPALIVE:
                if hasattr(socket, name):
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():  # an unsolicited response
            self.close()
            return
        self.responded = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as bad:
            self._end(ConnectionBroken(f"that is no HTTP: {bad}"))

    def connection_lost(self, failed: Exception | None) -> None:
        # Without a length, an answer ends with its connection.
        if self._headed and failed is None and not {"content-length", "transfer-encoding"} & self._headers.keys():
            self.on_message_complete()
        self._end(ConnectionBroken(str(failed or "the other side hung up")))

    # ------------------------------------------------------------------ from the parser
    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > HEAD_BYTES_MAX:
            self._end(TooLarge(f"more than {HEAD_BYTES_MAX >> 10} KB of headers"))
        else:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._headed = self._parser.get_status_code() >= 200
        declared = self._headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self._bytes_max:
            self._end(TooLarge(f"{int(declared) >> 20} MB"))

    def on_body(self, data: bytes) -> None:
        self._body += data
        if len(self._body) > self._bytes_max:
            self._body.clear()
            self._end(TooLarge(f"more than {self._bytes_max >> 20} MB"))

    def on_message_complete(self) -> None:
        if not self._headed:  # a word that the answer is to come
            self._headers.clear()
            return
        if not self._parser.should_keep_alive():
            self.close()
        self._end(Response(self._parser.get_status_code(), self._headers, bytes(self._body)))


def _head(target: str, headers: Mapping[str, str]) -> bytes:
    header_lines = [
        f"POST {quote(target, safe=_TARGET)} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    if any(mark in connection for connection in header_lines for mark in "\r\n\0"):
        raise ConnectionBroken("a header holds a line break: check the api_key")
    return "\r\n".join([*header_lines, "", ""]).encode("latin-1", "replace")


_TARGET = "!#$%&'()*+,/:;=?@[]~"
"""Characters beside letters and digits that a request target may hold unquoted."""


async def _post_via_proxy(
    proxied: httpcore2.AsyncConnectionPool, url: str, headers: Mapping[str, str], body: bytes, bytes_max: int
) -> Response:
    async with proxied.stream("POST", url, headers=list(headers.items()), content=body) as response:
        data = bytearray()
        async for part in response.aiter_stream():
            data += part
            if len(data) > bytes_max:
                raise TooLarge(f"more than {bytes_max >> 20} MB")
        response_headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        return Response(response.status, response_headers, bytes(data))


def _redact_password(url: str) -> str:
    before, at, after = url.rpartition("@")
    return f"{before.partition('://')[0]}://...@{after}" if at else url


def _ssl_context() -> ssl.SSLContext:
    """Trusts the bundled authorities and the system's (or SSL_CERT_FILE's)."""
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
