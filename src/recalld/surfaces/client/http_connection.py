"""One HTTP/1.1 connection, kept open between calls and reopened when it was closed."""

from __future__ import annotations

import http.client
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import BinaryIO
from urllib.parse import SplitResult, quote, urlsplit

from recalld.domain.errors import Closed, Invalid, deadline_exceeded

DEFAULT_URL = "http://127.0.0.1:1933"
CONNECT_TIMEOUT_S = 5.0
CONNECT_ATTEMPTS = 3
CONNECT_PAUSE_S = 0.05
# Servers drop idle connections (after 5 s by default); one that old is not worth the doubt.
IDLE_MAX_S = 2.0
PIECE_BYTES = 65_536
_SHOWN_MAX = 200
Progress = Callable[[int, int], None]
"""Called with bytes sent so far and bytes in all."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response with its raw body."""

    status: int
    headers: Message
    body: bytes


class Upload:
    """A file as the one field ``file`` of a multipart form, sent in pieces."""

    def __init__(self, file: BinaryIO, name: str, size: int, progress: Progress | None = None) -> None:
        mark = secrets.token_hex(16)
        shown = quote(name, safe=" !#$&()+,-.;=@[]^_`{}~")
        self._file = file
        self._size = size
        self._progress = progress
        self._head = (
            f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{shown}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        self._end = f"\r\n--{mark}--\r\n".encode()
        self.headers = {
            "Content-Type": f"multipart/form-data; boundary={mark}",
            "Content-Length": str(len(self._head) + size + len(self._end)),
        }

    def pieces(self) -> Iterator[bytes]:
        """The form's bytes. Raises ``Invalid`` if the file shrinks meanwhile."""
        self._file.seek(0)
        yield self._head
        sent = 0
        while sent < self._size:
            piece = self._file.read(min(PIECE_BYTES, self._size - sent))
            if not piece:
                raise Invalid("the file shrank while it was sent", remedy="send it again when nobody writes to it")
            yield piece
            sent += len(piece)
            if self._progress is not None:
                self._progress(sent, self._size)
        yield self._end


class HttpConnection:
    """The connection. ``pause`` waits between attempts to connect."""

    def __init__(self, url: str, pause: Callable[[float], None]) -> None:
        self._url = url
        self._place = _place(url)
        self._pause = pause
        self._http: http.client.HTTPConnection | None = None
        self._used_at = 0.0

    def close(self) -> None:
        """Drop the connection; the next call makes another."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        data: bytes | Upload | None,
        timeout_s: float,
        may_repeat: bool,
    ) -> Answer:
        """Send one request and read its answer; ``timeout_s`` is how long the server may be silent.

        A connection that breaks is made again, and the request repeated once, if ``may_repeat``. Raises ``Closed`` and
        ``Upstream`` (``DEADLINE_EXCEEDED``).
        """
        try:
            return self._exchange(method, target, headers, data, timeout_s)
        except TimeoutError as slow:
            remedy = "the server may still complete it; look before you send it again, or allow more time"
            raise deadline_exceeded(f"{method} {target.split('?')[0]}", timeout_s, remedy) from slow
        except (OSError, http.client.HTTPException) as broken:
            if not may_repeat:
                raise self._broke(broken) from broken
        return self.send(method, target, headers, data, timeout_s, may_repeat=False)

    def save(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        data: bytes | None,
        file: BinaryIO,
        progress: Progress | None = None,
    ) -> Answer:
        """Send one request and write what comes to ``file`` piece by piece; of a refusal the body is in the answer. Raises
        ``Closed`` when it breaks off."""

        def into(response: http.client.HTTPResponse) -> bytes:
            if response.status >= 400:
                return response.read()
            total, got = int(response.headers.get("Content-Length") or 0), 0
            while piece := response.read(PIECE_BYTES):
                file.write(piece)
                got += len(piece)
                if progress is not None:
                    progress(got, max(total, got))
            if got < total:
                raise http.client.IncompleteRead(b"", total - got)
            return b""

        try:
            return self._exchange(method, target, headers, data, float("inf"), into)
        except (ConnectionError, http.client.HTTPException) as broken:
            raise self._broke(broken) from broken

    def _exchange(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        data: bytes | Upload | None,
        timeout_s: float,
        read: Callable[[http.client.HTTPResponse], bytes] = http.client.HTTPResponse.read,
    ) -> Answer:
        line = self._connected()
        try:
            line.sock.settimeout(None if timeout_s == float("inf") else timeout_s)
            path = quote(self._place.path.rstrip("/"), safe="/%:@!$&'()*+,;=~") + target
            if isinstance(data, Upload):
                self._send_form(line, method, path, headers, data)
            else:
                line.request(method, path, body=data, headers=dict(headers))
            response = line.getresponse()
            body = read(response)
        except BaseException:
            # It carries half an exchange, perhaps an interrupted one: no further request can use it.
            self.close()
            raise
        self._used_at = time.monotonic()
        if response.will_close:
            self.close()
        return Answer(response.status, response.headers, body)

    def _send_form(
        self, line: http.client.HTTPConnection, method: str, path: str, headers: Mapping[str, str], form: Upload
    ) -> None:
        line.putrequest(method, path)
        for name, value in headers.items():
            line.putheader(name, value)
        line.endheaders()
        try:
            for piece in form.pieces():
                line.send(piece)
        except (BrokenPipeError, ConnectionResetError):
            # The server refused before it had read all; its answer says why.
            return

    def _connected(self) -> http.client.HTTPConnection:
        if self._http is not None and time.monotonic() - self._used_at > IDLE_MAX_S:
            self.close()
        if self._http is None:
            self._http = self._connect()
        return self._http

    def _connect(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._place.scheme == "https" else http.client.HTTPConnection
        attempt = 1
        while True:
            connection = kind(self._place.hostname or "", self._place.port, timeout=CONNECT_TIMEOUT_S)
            try:
                connection.connect()
            except ConnectionRefusedError as refused:
                # Nothing was sent yet, so even a write may be tried again.
                if attempt >= CONNECT_ATTEMPTS:
                    raise self._not_running() from refused
            except (OSError, UnicodeError) as unreachable:
                raise self._not_running() from unreachable
            else:
                return connection
            self._pause(CONNECT_PAUSE_S * attempt)
            attempt += 1

    def _not_running(self) -> Closed:
        return Closed(
            f"no server answers at {self._url}", remedy="start one with: recalld serve (or name another with --url)"
        )

    def _broke(self, error: Exception) -> Closed:
        return Closed(f"the connection to {self._url} broke: {error}", remedy="is the server running? recalld status")


def _place(url: str) -> SplitResult:
    """Scheme, host, port and path of a server's address, ``http`` where it names no scheme. Raises ``Invalid``."""
    if url and "://" not in url and not url.startswith(("http:", "https:")):
        url = f"http://{url}"
    try:
        place = urlsplit(url)
        host, port = place.hostname or "", place.port
    except ValueError as bad:
        raise _no_place(url, f": {bad}") from bad
    if "@" in place.netloc:  # not shown: it may hold a password
        raise Invalid(
            "a server address holds no user and no password",
            remedy="give the address alone, the key as RECALLD_API_KEY and the user with --user",
        )
    if place.scheme not in {"http", "https"} or not _HOST.fullmatch(host) or port == 0 or not url.isprintable():
        raise _no_place(url)
    return place


_HOST = re.compile(r"[^\s/\\?#@%]+(?:%[\w.-]+)?")


def _no_place(url: str, why: str = "") -> Invalid:
    return Invalid(
        f"{url[:_SHOWN_MAX]!r} is not a server address{why[:_SHOWN_MAX]}", remedy=f"give one such as {DEFAULT_URL}"
    )
