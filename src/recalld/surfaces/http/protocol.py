"""HTTP/1.1 on a connection: uvicorn's protocol, extended by what the origin checks need."""

from __future__ import annotations

import asyncio
import re
from typing import Any, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from recalld.surfaces.http.crossorigin import TARGET

_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_AUTHORITY = re.compile(rb"(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?://)?([^/?#]*)")


class Protocol(HttpToolsProtocol):
    """Passes the authority of an absolute request target on to the application: it takes precedence over the Host header. An offer
    to change the protocol (``Upgrade``, as clients offer HTTP/2 without TLS) is ignored, as any server may."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.parser = _parser(_Relay(self))

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        self._unset_keepalive_if_required()
        try:
            while data:
                data = self._fed(data)
        except httptools.HttpParserError:
            self.send_400_response("this is not HTTP/1.1 as servers read it (check what is sent, and to which port)")

    def _fed(self, data: bytes) -> bytes:
        """Parse received data and return the rest.

        After a head with an offer to upgrade the parser reads no body: a new parser gets the framing of the body and
        continues."""
        parser = cast("httptools.HttpRequestParser | None", self.parser)
        if parser is None:  # the connection was lost meanwhile
            return b""
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade as offered:
            framing = [b"%s: %s\r\n" % pair for pair in self.headers if pair[0] in _FRAMING]
            relay = _Relay(self)
            relay.silent = True
            self.parser = _parser(relay)
            self.parser.feed_data(b"POST / HTTP/1.1\r\n" + b"".join(framing) + b"\r\n")
            return data[offered.args[0] :]
        return b""

    def on_headers_complete(self) -> None:
        """All headers are read: the application is started."""
        if self.url[:1] not in {b"/", b"*"}:
            found = _AUTHORITY.match(self.url)
            scope = cast("dict[str, Any]", self.scope)
            scope[TARGET] = found[1] if found else self.url
        super().on_headers_complete()


class _Relay:
    """The callbacks of a parser. ``silent``: the parser repeats a head that was parsed already."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self.silent = False

    def on_message_begin(self) -> None:
        if not self.silent:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self.silent:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.silent:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self.silent:
            self._protocol.on_headers_complete()
        self.silent = False

    def on_body(self, body: bytes) -> None:
        self._protocol.on_body(body)

    def on_message_complete(self) -> None:
        if not self._protocol.parser.should_upgrade():  # else the body is still to come
            self._protocol.on_message_complete()


def _parser(relay: _Relay) -> httptools.HttpRequestParser:
    parser = httptools.HttpRequestParser(relay)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
    return parser
