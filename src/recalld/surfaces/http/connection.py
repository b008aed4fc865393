"""One connection: uvicorn's protocol, with limits on what a client may send before its response, and on how slowly it may send
and read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.server import ServerState

from recalld.domain.errors import Busy
from recalld.surfaces.http.connections import Admittance, Connections
from recalld.surfaces.http.protocol import Protocol
from recalld.surfaces.http.reply import NO_STORE, NOSNIFF, Failure, failure, of_error

HEAD_BYTES_MAX = 64 * 1024
"""Of a request's line and headers."""
HEAD_S = 10.0
"""From the start of a connection, or of a further request, to the end of its head."""
PATIENCE_S = 10.0
RATE_BYTES_S = 8 * 1024
"""A client may pause for ``PATIENCE_S``. This many bytes earn another second."""
SENT_BYTES = 64 * 1024
"""What has been sent when a full transport accepts more."""
DRAIN_BYTES_MAX = 64 * 1024 * 1024
REFUSED_DRAIN_BYTES_MAX = 1024 * 1024
DRAIN_S = 10.0
"""How much of a request is read after its response: a client that sends before it reads would miss the response."""
LINGER_S = 20.0
_FREE = frozenset({"/health", "/ready", "/metrics"})


class Connection(Protocol):
    """See the module. What is expected of a client (a head, a body, reading) has one timer in each direction."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        connections: Connections,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._all = connections
        self._health_only = False
        self._in_head = True
        self._closing = False
        self._unread = 0
        """Bytes since the last part of a body, or since a head began."""
        self._drained, self._drain_max = 0, DRAIN_BYTES_MAX
        self._due: asyncio.TimerHandle | None = None
        self._send_patience = self._read_patience = PATIENCE_S
        self._since = self._paused_at = 0.0
        self._stuck: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------ the transport's side
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See ``asyncio.Protocol``."""
        super().connection_made(transport)
        admittance = self._all.admit(self, self.client[0] if self.client else "")
        if admittance is Admittance.REFUSED:
            self._refuse(_full(), briefly=True)
            return
        if admittance is Admittance.HEALTH_ONLY:
            self._health_only = True
            self.app = partial(_health_alone, self.app)
        self._expect(HEAD_S, self._head_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._all.remove(self)
        self._expect(None)
        if self._stuck is not None:
            self._stuck.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        if self._closing:
            self._drain(len(data))
            return
        self._unread += len(data)
        super().data_received(data)
        if self._closing or self.transport.is_closing():
            return
        if self._unread > HEAD_BYTES_MAX:
            self._refuse(_head_too_large())
        elif self._in_head:
            if self._unread and self._due is None:
                self._expect(HEAD_S, self._head_late)
        elif not self.cycle.response_complete:
            now = self.loop.time()
            spent_s = now - self._since if self._due is not None else 0.0
            self._read_patience = min(PATIENCE_S, self._read_patience - spent_s + len(data) / RATE_BYTES_S)
            self._since = now
            self._expect(self._read_patience, self._body_late)

    def pause_writing(self) -> None:
        """See ``asyncio.BaseProtocol``."""
        super().pause_writing()
        self._paused_at = self.loop.time()
        self._stuck = self.loop.call_later(max(self._send_patience, 0.0), self._reader_late)

    def resume_writing(self) -> None:
        """See ``asyncio.BaseProtocol``."""
        super().resume_writing()
        if self._stuck is not None:
            self._stuck.cancel()
        waited_s = self.loop.time() - self._paused_at
        self._send_patience = min(PATIENCE_S, self._send_patience - waited_s + SENT_BYTES / RATE_BYTES_S)

    def evict(self) -> None:
        """See ``connections.TrackedConnection``."""
        self.transport.abort()

    # --------------------------------------------------------------- the parser's side
    def on_message_begin(self) -> None:
        """The first byte of a head."""
        super().on_message_begin()
        self._unread = max(self._unread, 1)

    def on_headers_complete(self) -> None:
        """A head is complete: the application is started."""
        if self._closing:
            return
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > HEAD_BYTES_MAX:
            self._refuse(_head_too_large())
            return
        self._in_head, self._unread, self._drained = False, 0, 0
        self._read_patience = PATIENCE_S
        self._expect(None)
        self._all.mark_busy(self)
        super().on_headers_complete()
        self.cycle.transport = _Outlet(self)  # type: ignore[assignment]
        if self._health_only:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """A part of a body. After the response, the rest that the client still sends."""
        self._unread = 0
        if self._closing:
            return
        if self.cycle.response_complete:
            self._drain(len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        if self._closing:
            return
        self._in_head, self._unread = True, 0
        self._expect(None)
        if self.cycle.response_complete:
            self._all.mark_idle(self)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """A response is complete."""
        if self._closing:
            self.server_state.total_requests += 1
            return
        pipelined = bool(self.pipeline)
        super().on_response_complete()
        if pipelined or self.transport.is_closing():
            return
        if self._in_head:
            self._all.mark_idle(self)
        else:
            self._expect(DRAIN_S, self._rest_late)

    def send_400_response(self, msg: str) -> None:
        """Invalid HTTP is answered with the error envelope, too."""
        self._refuse((400, {"code": "INVALID_ARGUMENT", "message": msg, "details": {}}, {}))

    def timeout_keep_alive_handler(self) -> None:
        """The keep-alive time has passed."""
        if not self.transport.is_closing():
            self.close()

    # ---------------------------------------------------------------------- what is late
    def _expect(self, seconds: float | None, otherwise: Callable[[], None] | None = None) -> None:
        """What is expected of the client now, and what to do if it does not come; None: nothing."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if seconds is not None and otherwise is not None:
            self._due = self.loop.call_later(max(seconds, 0.0), otherwise)

    def _head_late(self) -> None:
        self._due = None
        if self.cycle is not None and not self.cycle.response_complete:  # an earlier request is still being answered
            self._expect(HEAD_S, self._head_late)
            return
        self._all.count_slow("head")
        if self._unread:
            self._refuse(_late("the request's head"))
        else:
            self.close()

    def _body_late(self) -> None:
        self._due = None
        cycle = self.cycle
        if self.flow.read_paused or cycle.waiting_for_100_continue:  # the client waits for the server
            self._expect(PATIENCE_S, self._body_late)
            return
        self._all.count_slow("body")
        begun, cycle.disconnected = cycle.response_started, True
        cycle.message_event.set()  # the reader of the body sees the disconnect
        if begun:
            self.transport.abort()
        else:
            self._refuse(_late("the request's body"), disowned=True)

    def _reader_late(self) -> None:
        self._stuck = None
        self._all.count_slow("reading")
        self.transport.abort()

    def _rest_late(self) -> None:
        self._due = None
        self.transport.abort()

    # --------------------------------------------------------------------- how it ends
    def _refuse(self, problem: Failure, *, briefly: bool = False, disowned: bool = False) -> None:
        """Respond without the application, and close. ``disowned``: the running request will not respond any more."""
        if self.cycle is not None and not self.cycle.response_complete and not disowned:
            self.transport.abort()  # in the middle of another answer
            return
        answer = failure(*problem)
        pairs = (*self.server_state.default_headers, *answer.raw_headers, NOSNIFF, NO_STORE)
        head = b"".join(b"%s: %s\r\n" % pair for pair in pairs)
        self.transport.write(STATUS_LINE[problem[0]] + head + b"connection: close\r\n\r\n" + bytes(answer.body))
        if briefly and not self._all.may_linger(self):
            self.transport.close()
            return
        self._drain_max = REFUSED_DRAIN_BYTES_MAX
        self._linger()

    def close(self) -> None:
        """Close when everything has been sent. The rest of a request is read before."""
        if self._closing or self.transport.is_closing():
            return
        if not self._in_head:
            self._linger()
            return
        self.transport.close()
        self._expect(LINGER_S, self.transport.abort)

    def _linger(self) -> None:
        """End the sending side and read a little longer: closing at once would reset the connection, and lose the response."""
        self._closing = True
        self._all.mark_idle(self)
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        try:
            self.transport.write_eof()
            self.flow.resume_reading()
        except (OSError, RuntimeError):  # it has gone
            self.transport.abort()
            return
        self._expect(DRAIN_S, self._rest_late)

    def _drain(self, size: int) -> None:
        self._drained += size
        if self._drained > self._drain_max:
            self.transport.abort()


class _Outlet:
    """The transport as a request sees it: closing it closes the connection in the order above."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        """See ``asyncio.WriteTransport``."""
        self._connection.transport.write(data)

    def is_closing(self) -> bool:
        """See ``asyncio.BaseTransport``."""
        return self._connection.transport.is_closing()

    def close(self) -> None:
        """See ``asyncio.BaseTransport``."""
        self._connection.close()


async def _health_alone(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer only health checks, since all connections are busy."""
    if scope["path"] in _FREE:
        await app(scope, receive, send)
    else:
        answer = failure(*_full())
        answer.raw_headers += (NOSNIFF, NO_STORE)
        await answer(scope, receive, send)


def _full() -> Failure:
    return of_error(Busy("all connections of this server are busy", retry_after_s=1.0))


def _head_too_large() -> Failure:
    message = (
        f"the request's line and headers are larger than {HEAD_BYTES_MAX} bytes (send less in its address and headers)"
    )
    return 431, {"code": "INVALID_ARGUMENT", "message": message, "details": {"limit_bytes": HEAD_BYTES_MAX}}, {}


def _late(what: str) -> Failure:
    message = f"{what} did not come in time (send it at once, and faster)"
    return 408, {"code": "DEADLINE_EXCEEDED", "message": message, "details": {}}, {}
