"""RPC between two of our processes over an inherited socket: framed, typed, bounded, in both directions.

A frame is a 4-byte big-endian length and a msgpack array. Both ends run the same code: each may call methods the other
handles, and push notices. Errors of ``domain.errors`` are transferred with all their fields and raised as themselves.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, Generic, TypeVar

import msgspec

from recalld.domain import errors
from recalld.domain.errors import Busy, Closed, Corrupt, RecalldError

from .logs import get_logger
from .msgpack import decode, encode

T = TypeVar("T")
FRAME_BYTES_MAX = 256 * 1024 * 1024
"""Far above any commit. A stream out of step reads as an absurd length, which must not be trusted."""
CALLS_MAX = 64
BEAT_S = 1.0
_LENGTH = struct.Struct(">I")
_LOG = get_logger("recalld.ipc")
_FAMILIES: dict[str, type[RecalldError]] = {
    family.__name__: family
    for family in (
        errors.Invalid,
        errors.Denied,
        errors.NotFound,
        errors.Conflict,
        errors.Busy,
        errors.Upstream,
        errors.Corrupt,
        errors.Closed,
    )
}


@dataclass(frozen=True, slots=True)
class Method(Generic[T]):
    """A method of the other process: name, parameter types in order, and result type."""

    name: str
    parameters: tuple[Any, ...]
    result: Any


Handler = Callable[..., Awaitable[Any]]


class _Call(msgspec.Struct, tag="call", array_like=True):
    id: int
    method: str
    arguments: list[msgspec.Raw]


class _Reply(msgspec.Struct, tag="reply", array_like=True):
    id: int
    value: msgspec.Raw


class _Failure(msgspec.Struct, tag="failure", array_like=True):
    id: int
    family: str
    code: str
    message: str
    remedy: str
    details: dict[str, Any]
    retry_after_s: float


class _Notice(msgspec.Struct, tag="notice", array_like=True):
    name: str


_frames = msgspec.msgpack.Decoder(_Call | _Reply | _Failure | _Notice)


def protocol_version(methods: Iterable[Method[Any]]) -> str:
    """Return a digest of the frames, these methods and every type that crosses in them: equal at both ends, or neither
    understands the other."""
    ordered = sorted(methods, key=lambda method: method.name)
    kinds = [kind for method in ordered for kind in (*method.parameters, method.result)]
    schema = msgspec.json.schema_components([_Call | _Reply | _Failure | _Notice, *kinds])
    return hashlib.sha256(msgspec.json.encode(([method.name for method in ordered], schema))).hexdigest()


class Channel:
    """One end. ``run`` reads until the other end closes; calls and notices may be made from any task meanwhile.

    ``handlers``: method -> coroutine function, called with the decoded arguments.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        handlers: Mapping[Method[Any], Handler] | None = None,
        calls_max: int = CALLS_MAX,
        beat_s: float = BEAT_S,
        frame_bytes_max: int = FRAME_BYTES_MAX,
    ) -> None:
        self._sock = sock
        self._handlers = {method.name: (method, handler) for method, handler in (handlers or {}).items()}
        self._subscribers: dict[str, Callable[[], None]] = {}
        self._calls_max = calls_max
        self._beat_s = beat_s
        self._frame_bytes_max = frame_bytes_max
        self._ids = count(1)
        self._pending: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._slots = asyncio.Semaphore(calls_max)
        self._serving = 0
        self._last_frame_at = time.monotonic()
        self._closed = False
        self._writer: asyncio.StreamWriter | None = None
        self._connected = asyncio.Event()

    @property
    def idle_s(self) -> float:
        """Seconds since the last frame from the other end, which sends one every second while its loop runs."""
        return time.monotonic() - self._last_frame_at

    async def run(self) -> None:
        """Serve until the other end closes or breaks the protocol; then every open call raises ``Closed``."""
        if self._closed:
            return
        reader, self._writer = await asyncio.open_unix_connection(sock=self._sock)
        self._connected.set()
        try:
            async with asyncio.TaskGroup() as group:
                beating = group.create_task(self._beat())
                await self._read(reader, group)
                beating.cancel()
        finally:
            self.close()

    async def call(self, method: Method[T], *arguments: Any) -> T:
        """Call a method of the other end. Raises what it raised, ``Closed`` when it has closed; waits while ``calls_max``
        are open."""
        packed = [encode(argument) for argument in arguments]
        async with self._slots:
            await self._connected.wait()
            number = next(self._ids)
            future = asyncio.get_running_loop().create_future()
            self._pending[number] = future
            try:
                await self._send(_Call(number, method.name, packed))
                value: T = decode(method.result, await future)
            finally:
                self._pending.pop(number, None)
        return value

    def subscribe(self, name: str, callback: Callable[[], None]) -> None:
        """Call ``callback`` (synchronous and quick) whenever the other end sends this notice; others are ignored."""
        self._subscribers[name] = callback

    async def notify(self, name: str) -> None:
        """Send a notice that needs no reply; nothing happens if the other end has closed."""
        if self._writer is not None and not self._closed:
            with suppress(Closed):
                await self._send(_Notice(name))

    def close(self) -> None:
        """Close the channel. May be called twice."""
        self._closed = True
        self._connected.set()
        if self._writer is not None:
            self._writer.close()
        else:
            self._sock.close()
        for future in self._pending.values():
            if not future.done():
                future.set_exception(_peer_closed())

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._beat_s)
            await self.notify("beat")

    async def _send(self, frame: _Call | _Reply | _Failure | _Notice) -> None:
        data = encode(frame)
        size = len(memoryview(data))
        if size > self._frame_bytes_max:
            raise errors.Invalid(
                f"a message of {size} bytes is larger than the {self._frame_bytes_max} a channel carries",
                remedy="send it in smaller commits",
            )
        # The other end may have gone before our reader has seen it; uvloop calls writing to that a bug of ours.
        if self._closed or self._writer is None or self._writer.is_closing():
            raise _peer_closed()
        # One write, so that frames of several tasks never interleave. drain() holds us while the other end is behind.
        self._writer.write(_LENGTH.pack(size) + bytes(data))
        try:
            await self._writer.drain()
        except ConnectionError as gone:
            raise _peer_closed() from gone

    async def _read(self, reader: asyncio.StreamReader, group: asyncio.TaskGroup) -> None:
        while True:
            try:
                (size,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
                if size > self._frame_bytes_max:
                    _LOG.error("ipc channel out of step", frame_bytes=size)
                    return
                frame = _frames.decode(await reader.readexactly(size))
            except (asyncio.IncompleteReadError, ConnectionError):
                return  # the other end has gone: the normal end
            except (msgspec.DecodeError, ValueError) as broken:
                _LOG.error("ipc channel out of step", error=str(broken))
                return
            self._last_frame_at = time.monotonic()
            self._dispatch(frame, group)

    def _dispatch(self, frame: _Call | _Reply | _Failure | _Notice, group: asyncio.TaskGroup) -> None:
        match frame:
            case _Call():
                self._serving += 1
                group.create_task(self._reply(frame))
            case _Reply(number, value):
                future = self._pending.get(number)
                if future is not None and not future.done():
                    future.set_result(value)
            case _Failure():
                future = self._pending.get(frame.id)
                if future is not None and not future.done():
                    future.set_exception(_to_error(frame))
            case _Notice(name) if name in self._subscribers:
                self._subscribers[name]()

    async def _reply(self, request: _Call) -> None:
        try:
            reply: _Reply | _Failure = _Reply(request.id, await self._serve(request))
        except RecalldError as failed:
            reply = _failure(request.id, failed)
        except Exception as bug:  # noqa: BLE001 - a bug in one method must not close the channel for all others; it is logged
            _LOG.exception("a method failed", method=request.method)
            reply = _failure(request.id, Corrupt(f"{request.method} failed: {type(bug).__name__}: {bug}"))
        finally:
            self._serving -= 1
        try:
            await self._send(reply)
        except Closed:
            return  # the caller has gone
        except RecalldError as unsendable:
            await self._send(_failure(request.id, unsendable))

    async def _serve(self, request: _Call) -> msgspec.Raw:
        if self._serving > self._calls_max:
            raise Busy("the other process sends too many calls at once", retry_after_s=0.2)
        found = self._handlers.get(request.method)
        if found is None:
            raise Corrupt(f"method {request.method} is not served here", remedy="both processes must be one version")
        method, handler = found
        if len(request.arguments) != len(method.parameters):
            raise Corrupt(f"{method.name} takes {len(method.parameters)} arguments, got {len(request.arguments)}")
        arguments = [decode(kind, data) for kind, data in zip(method.parameters, request.arguments, strict=True)]
        return encode(await handler(*arguments))


def _peer_closed() -> Closed:
    return Closed("the other process has gone", remedy="it is being restarted; try again")


def _failure(number: int, error: RecalldError) -> _Failure:
    details = msgspec.to_builtins(error.details, enc_hook=str)
    retry_after_s = error.retry_after_s if isinstance(error, Busy) else 0.0
    return _Failure(number, type(error).__name__, error.code, error.message, error.remedy, details, retry_after_s)


def _to_error(frame: _Failure) -> RecalldError:
    family = _FAMILIES.get(frame.family, Corrupt)
    if family is Busy:
        return Busy(frame.message, retry_after_s=frame.retry_after_s, remedy=frame.remedy, code=frame.code)
    return family(frame.message, remedy=frame.remedy, code=frame.code, details=frame.details)
