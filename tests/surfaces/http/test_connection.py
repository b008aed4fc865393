"""Timeouts and limits of a connection. Bare sockets on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from recalld.surfaces.http import connection as bounded
from recalld.surfaces.http.connection import HEAD_BYTES_MAX, Connection
from recalld.surfaces.http.connections import HEALTH_ONLY_MAX, Bounds, Connections
from recalld.surfaces.http.reply import JsonBytes

HEAD = b"GET /a HTTP/1.1\r\nHost: x\r\n"
LARGE = b"x" * 8_000_000

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Application:
    """Answers with the length of what was sent; ``/large`` with much; ``/refuse`` before reading; ``/stay`` when let go."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.staying = 0
        self.left = 0
        self.ended = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response: Response
        match scope["path"]:
            case "/refuse":
                response = PlainTextResponse("too large", 413)
            case "/large":
                response = JsonBytes(LARGE)
            case "/stay":
                self.staying += 1
                await self.let_go.wait()
                response = PlainTextResponse("stayed")
            case _:
                try:
                    response = PlainTextResponse(str(len(await Request(scope, receive).body())))
                except ClientDisconnect:
                    self.left += 1
                    return
        await response(scope, receive, send)
        self.ended.set()


class Listener:
    """A listening port, and lines to it."""

    def __init__(self, port: int, app: Application, connections: Connections) -> None:
        self.port = port
        self.app = app
        self.connections = connections
        self.lines: list[asyncio.StreamWriter] = []

    async def line(self, sent: bytes = b"") -> Line:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.lines.append(writer)
        writer.write(sent)
        return reader, writer


@asynccontextmanager
async def listening(bounds: Bounds) -> AsyncIterator[Listener]:
    app, connections, state = Application(), Connections(bounds), ServerState()
    config = Config(app, lifespan="off", log_config=None, ws="none", http=Connection)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(config, state, {}, connections=connections), "127.0.0.1", 0)
    listener = Listener(server.sockets[0].getsockname()[1], app, connections)
    try:
        yield listener
    finally:
        server.close()
        app.let_go.set()
        for line in listener.lines:
            line.close()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening(Bounds(64, 64)) as listener:
        yield listener


async def answer(line: Line) -> bytes:
    """All that comes until the server hangs up."""
    async with asyncio.timeout(30):
        return await line[0].read()


async def status(line: Line) -> int:
    async with asyncio.timeout(30):
        return int((await line[0].readline()).split()[1])


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.001)


def quick(monkeypatch: pytest.MonkeyPatch, **seconds: Any) -> None:
    for name, value in seconds.items():
        monkeypatch.setattr(bounded, name, value)


async def test_a_silent_connection_is_closed(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch, HEAD_S=0.05)
    assert await answer(await listener.line()) == b""
    assert listener.connections.counts["slow"] == 1


@pytest.mark.parametrize("half", [b"G", HEAD, b"GET / HTTP/1.1\r\nX: " + b"a" * 1000])
async def test_half_a_head_is_refused_in_time(listener: Listener, monkeypatch: pytest.MonkeyPatch, half: bytes) -> None:
    quick(monkeypatch, HEAD_S=0.05)
    assert (await answer(await listener.line(half))).startswith(b"HTTP/1.1 408 ")


async def test_half_a_head_after_an_answer_is_refused_in_time(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch, HEAD_S=0.05)
    got = await answer(await listener.line(HEAD + b"\r\n" + HEAD))
    assert got.count(b"HTTP/1.1 200") == 1
    assert b"HTTP/1.1 408 " in got


async def test_a_head_byte_by_byte_is_not_late_while_its_time_lasts(listener: Listener) -> None:
    line = await listener.line()
    for byte in HEAD + b"\r\n":
        line[1].write(bytes([byte]))
        await line[1].drain()
    assert await status(line) == 200


@pytest.mark.parametrize(
    "begun",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 200_000,
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 200_000,
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)),
    ],
    ids=["header", "whole header", "line", "whole line", "many"],
)
async def test_a_head_is_bounded(listener: Listener, begun: bytes) -> None:
    got = await answer(await listener.line(begun))
    assert got.startswith(b"HTTP/1.1 431 ")
    assert b"65536 bytes" in got
    assert listener.app.ended.is_set() is False


async def test_a_large_head_within_the_bound_is_answered(listener: Listener) -> None:
    line = await listener.line(HEAD + b"X-A: " + b"a" * (HEAD_BYTES_MAX - 200) + b"\r\n\r\n")
    assert await status(line) == 200


async def test_endless_trailers_are_bounded(listener: Listener) -> None:
    begun = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    line = await listener.line(begun + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)))
    try:
        got = await answer(line)
    except ConnectionError:
        got = b""
    assert b" 200 " not in got
    await until(lambda: not len(listener.connections))


async def test_a_body_that_does_not_come_is_refused_and_its_request_ended(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch, PATIENCE_S=0.05)
    got = await answer(await listener.line(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc"))
    assert got.startswith(b"HTTP/1.1 408 ")
    await until(lambda: listener.app.left == 1)


async def test_a_body_that_trickles_is_refused(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch, PATIENCE_S=0.1)
    line = await listener.line(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
    reading = asyncio.ensure_future(answer(line))
    async with asyncio.timeout(30):
        while not reading.done():
            line[1].write(b"a")
            await asyncio.sleep(0.005)
    assert (await reading).startswith(b"HTTP/1.1 408 ")


async def test_a_body_in_pieces_is_taken(listener: Listener) -> None:
    line = await listener.line(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n")
    for _ in range(50):
        line[1].write(b"a")
        await line[1].drain()
    assert await status(line) == 200


async def test_expect_continue_does_not_count_as_late(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch, PATIENCE_S=0.02)
    head = b"POST /stay HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    line = await listener.line(head)
    await until(lambda: listener.app.staying == 1)
    await asyncio.sleep(0.1)
    listener.app.let_go.set()
    assert await status(line) == 200


async def test_a_client_that_does_not_read_is_disconnected(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    quick(monkeypatch, PATIENCE_S=0.05)
    await listener.line(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(lambda: not len(listener.connections) and listener.connections.counts["slow"] == 1)
    await listener.app.ended.wait()


async def test_a_large_answer_leaves_in_slices(listener: Listener) -> None:
    _, writer = line = await listener.line(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    await until(lambda: len(listener.connections) == 1)
    for _ in range(50):
        await asyncio.sleep(0)
    assert not listener.app.ended.is_set(), "an answer counts as under way until it has been taken"
    got = await answer(line)
    assert got.endswith(LARGE)
    assert len(got) < len(LARGE) + 1000
    writer.close()


@pytest.mark.parametrize("close", [b"Connection: close\r\n", b""])
@pytest.mark.parametrize("size", [100_000, 12_000_000])
async def test_a_refusal_before_the_body_is_received(listener: Listener, close: bytes, size: int) -> None:
    """By a client that sends all before it reads."""
    reader, writer = await listener.line(
        b"POST /refuse HTTP/1.1\r\nHost: x\r\n" + close + b"Content-Length: %d\r\n\r\n" % size
    )
    for _ in range(size // 100_000):
        writer.write(b"x" * 100_000)
        await writer.drain()
    assert await status((reader, writer)) == 413


async def test_the_bytes_drained_after_a_refusal_are_bounded(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch, DRAIN_BYTES_MAX=1_000_000)
    _, writer = await listener.line(b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
    with pytest.raises(ConnectionError):
        async with asyncio.timeout(30):
            while True:
                writer.write(b"x" * 100_000)
                await writer.drain()


async def test_draining_after_a_refused_head_is_short(listener: Listener) -> None:
    _, writer = await listener.line(b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ")
    with pytest.raises(ConnectionError):
        async with asyncio.timeout(30):
            for _ in range(1_000):
                writer.write(b"x" * 100_000)
                await writer.drain()


async def test_no_http_is_refused_in_the_envelope(listener: Listener) -> None:
    got = await answer(await listener.line(b"HELLO\r\n\r\n"))
    assert got.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"INVALID_ARGUMENT"' in got
    assert b"x-content-type-options: nosniff\r\n" in got


async def test_at_the_bound_the_longest_silent_one_makes_room() -> None:
    async with listening(Bounds(2, 2)) as listener:
        first, second = await listener.line(), await listener.line()
        await until(lambda: len(listener.connections) == 2)
        line = await listener.line(HEAD + b"\r\n")
        assert await status(line) == 200
        with pytest.raises(ConnectionError):
            await answer(first)
            raise ConnectionError  # closed in one way or the other
        assert listener.connections.counts["evicted"] == 1
        second[1].write(HEAD + b"\r\n")
        assert await status(second) == 200


async def test_with_all_connections_busy_health_answers_and_others_get_503() -> None:
    async with listening(Bounds(2, 2)) as listener:
        stay = b"GET /stay HTTP/1.1\r\nHost: x\r\n\r\n"
        busy = [await listener.line(stay) for _ in range(2)]
        await until(lambda: listener.app.staying == 2)
        assert (await answer(await listener.line(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"))).startswith(
            b"HTTP/1.1 200 "
        )
        refused = await answer(await listener.line(HEAD + b"\r\n"))
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in refused.lower()
        assert b"x-content-type-options: nosniff\r\n" in refused
        listener.app.let_go.set()
        assert [await status(line) for line in busy] == [200, 200]
        assert await status(await listener.line(HEAD + b"\r\n")) == 200


async def test_many_silent_connections_do_not_block_others() -> None:
    async with listening(Bounds(4, 4)) as listener:
        for _ in range(60):
            await listener.line()
        assert await status(await listener.line(HEAD + b"\r\n")) == 200
        assert len(listener.connections) <= 4 + HEALTH_ONLY_MAX


H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\n"
WEBSOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"


@pytest.mark.parametrize("pieces", [1, 7], ids=["at-once", "in-pieces"])
@pytest.mark.parametrize("offer", [H2C, WEBSOCKET, b""], ids=["h2c", "websocket", "none"])
@pytest.mark.parametrize(
    ("framing", "body", "length"),
    [
        (b"Content-Length: 40\r\n", b"GET /large HTTP/1.1\r\nHost: evil\r\n\r\n".ljust(40), b"40"),
        (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", b"11"),
        (b"Content-Length: 0\r\n", b"", b"0"),
        (b"", b"", b"0"),
    ],
    ids=["length", "chunked", "empty", "none"],
)
async def test_an_offer_to_upgrade_costs_no_body(
    listener: Listener, offer: bytes, framing: bytes, body: bytes, length: bytes, pieces: int
) -> None:
    sent = b"POST /a HTTP/1.1\r\nHost: x\r\n" + offer + framing + b"\r\n" + body
    reader, writer = await listener.line()
    for _ in range(2):  # and the connection goes on after it
        size = -(-len(sent) // pieces)
        for start in range(0, len(sent), size):
            writer.write(sent[start : start + size])
            await writer.drain()
            await asyncio.sleep(0.001)
        async with asyncio.timeout(30):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(len(length)) == length
