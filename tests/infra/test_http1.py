"""The connection pool: few connections, reused, replaced after a disconnect, verified by TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvloop

from recalld.infra.http1 import (
    CONNECTION_FAILURES,
    HEAD_BYTES_MAX,
    ConnectionBroken,
    ConnectionPool,
    Response,
    TooLarge,
)

# A key and a certificate for localhost, made for these tests and good for nothing else.
LOCALHOST = Path(__file__).parents[1] / "fakes" / "localhost.pem"


@dataclass
class Other:
    """A server that says "well" to everything; ``one_each``: it hangs up after every answer. ``heads``: what it was sent."""

    one_each: bool = False
    connections: int = 0
    heads: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
                await reader.readexactly(length)
                self.heads.append(head)
                await self.gate.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell")
                if self.one_each:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client went away
        finally:
            writer.close()


@asynccontextmanager
async def other(*, tls: bool = False, one_each: bool = False) -> AsyncIterator[Other]:
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(LOCALHOST)
    there = Other(one_each)
    there.gate.set()
    server = await asyncio.start_server(there.serve, "127.0.0.1", 0, ssl=context)
    there.port = server.sockets[0].getsockname()[1]
    try:
        yield there
    finally:
        server.close()


async def post_ok(pool: ConnectionPool, path: str = "ask") -> bytes:
    reply = await pool.post(path, {"X-Key": "k"}, b"{}", bytes_max=1_000)
    assert reply.status == 200
    return reply.body


async def test_one_connection_serves_one_request_after_the_other() -> None:
    async with other() as there:
        pool = ConnectionPool(f"http://127.0.0.1:{there.port}/v1/", connections_max=8)
        assert [await post_ok(pool) for _ in range(5)] == [b"well"] * 5
        await pool.close()
    assert there.connections == 1
    assert there.heads[0].startswith("POST /v1/ask HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{there.port}" in there.heads[0]
    assert "X-Key: k" in there.heads[0]


async def test_no_more_connections_than_places() -> None:
    async with other() as there:
        there.gate.clear()
        pool = ConnectionPool(f"http://127.0.0.1:{there.port}", connections_max=3)
        requests = [asyncio.ensure_future(post_ok(pool)) for _ in range(9)]
        while len(there.heads) < 3:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        assert len(there.heads) == 3
        there.gate.set()
        assert await asyncio.gather(*requests) == [b"well"] * 9
        await pool.close()
    assert there.connections == 3


async def test_a_request_given_up_frees_its_place() -> None:
    async with other() as there:
        there.gate.clear()
        pool = ConnectionPool(f"http://127.0.0.1:{there.port}", connections_max=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await post_ok(pool)
        there.gate.set()
        assert await post_ok(pool) == b"well"
        await pool.close()
    assert there.connections == 2


async def test_a_kept_connection_that_was_closed_is_replaced() -> None:
    async with other(one_each=True) as there:
        pool = ConnectionPool(f"http://127.0.0.1:{there.port}", connections_max=1)
        for _ in range(3):
            assert await post_ok(pool) == b"well"
            await asyncio.sleep(0.02)  # the news that the other side hung up has come
        await pool.close()
    assert there.connections == 3


async def test_certificates_of_ssl_cert_file_are_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with other(tls=True) as there:
        untrusted = ConnectionPool(f"https://localhost:{there.port}", connections_max=1)
        with pytest.raises(ConnectionBroken, match="CERTIFICATE_VERIFY_FAILED"):
            await post_ok(untrusted)
        monkeypatch.setenv("SSL_CERT_FILE", str(LOCALHOST))
        known = ConnectionPool(f"https://localhost:{there.port}", connections_max=1)
        assert await post_ok(known) == b"well"
        await untrusted.close()
        await known.close()


async def test_a_proxy_of_the_environment_is_used_and_bypassed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with other() as proxy, other() as there:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        far = ConnectionPool("http://far.example/v1", connections_max=1)
        near = ConnectionPool(f"http://127.0.0.1:{there.port}", connections_max=1)
        assert [await post_ok(far), await post_ok(near)] == [b"well", b"well"]
        await far.close()
        await near.close()
    assert proxy.heads[0].startswith("POST http://far.example/v1/ask HTTP/1.1\r\n")
    assert there.heads[0].startswith("POST /ask HTTP/1.1\r\n")


@pytest.mark.parametrize("url", ["", "ftp://a.example", "a.example/v1", "http://", "http://a.example:x"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="."):
        ConnectionPool(url, connections_max=1)


async def test_an_unreachable_host_is_connection_broken() -> None:
    async with other() as there:
        port = there.port
    pool = ConnectionPool(f"http://127.0.0.1:{port}", connections_max=1)
    with pytest.raises(CONNECTION_FAILURES):
        await post_ok(pool)
    await pool.close()


@asynccontextmanager
async def saying(*parts: bytes, hang_up: bool = True) -> AsyncIterator[ConnectionPool]:
    """A pool connected to a server that answers any request with these bytes, part by part."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.002)
        if hang_up:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    pool = ConnectionPool(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", connections_max=1)
    try:
        yield pool
    finally:
        await pool.close()
        server.close()


async def post_within(pool: ConnectionPool) -> Response:
    async with asyncio.timeout(5):
        return await pool.post("ask", {}, b"{}", bytes_max=10)


@pytest.mark.parametrize(
    "parts",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell"],
        [b"HTTP/1.1 200 OK\r\nConte", b"nt-Length: 4\r\n", b"\r\nwe", b"ll"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nwe\r\n", b"2\r\nll\r\n0\r\n\r\n"],
        [b"HTTP/1.0 200 OK\r\n\r\nwe", b"ll"],
        [b"HTTP/1.1 100 Continue\r\nX-A: b\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell"],
    ],
    ids=["whole", "in pieces", "chunked", "until the end", "continued"],
)
async def test_an_answer_may_come_in_any_form(parts: list[bytes]) -> None:
    async with saying(*parts) as pool:
        reply = await post_within(pool)
    assert (reply.status, reply.body) == (200, b"well")
    assert "x-a" not in reply.headers


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"HTTP/1.1 200 OK\r\nContent-"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwe"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nwe\r\n"],
        [b"<html>no http</html>"],
        [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"],
    ],
    ids=["nothing", "half a head", "half a body", "half of the chunks", "something else", "another protocol"],
)
async def test_an_incomplete_answer_is_connection_broken(parts: list[bytes]) -> None:
    async with saying(*parts) as pool:
        with pytest.raises(CONNECTION_FAILURES):
            await post_within(pool)


@pytest.mark.parametrize(
    "parts",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"b\r\nhello world\r\n"],
        [b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * HEAD_BYTES_MAX + b"\r\n\r\n"],
    ],
    ids=["announced", "unannounced", "headers"],
)
async def test_bytes_beyond_the_answer_are_not_waited_for(parts: list[bytes]) -> None:
    async with saying(*parts, hang_up=False) as pool:
        with pytest.raises(TooLarge):
            await post_within(pool)


async def test_an_unsolicited_answer_is_discarded() -> None:
    well = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
    async with saying(well + b"well", well + b"evil", hang_up=False) as pool:
        assert (await post_within(pool)).body == b"well"
        await asyncio.sleep(0.02)
        assert (await post_within(pool)).body == b"well"  # of another connection


@pytest.mark.parametrize("value", ["k\r\nX-Evil: 1", "k\nX-Evil: 1", "k\0"])
async def test_a_key_with_a_line_break_is_never_sent(value: str) -> None:
    async with other() as there:
        pool = ConnectionPool(f"http://127.0.0.1:{there.port}", connections_max=1)
        with pytest.raises(ConnectionBroken, match="line break"):
            await pool.post("ask", {"X-Key": value}, b"{}", bytes_max=10)
        assert await post_ok(pool) == b"well"
        await pool.close()
    assert len(there.heads) == 1


async def test_an_address_is_written_as_addresses_are() -> None:
    async with other() as there:
        pool = ConnectionPool(f"http://127.0.0.1:{there.port}/a b", connections_max=1)
        assert await post_ok(pool, "ü?x=1 2") == b"well"
        await pool.close()
    assert there.heads[0].startswith("POST /a%20b/%C3%BC?x=1%202 HTTP/1.1\r\n")


def test_under_the_servers_own_loop_a_closed_connection_is_replaced() -> None:
    async def ask_after_it_closed() -> None:
        async with other(one_each=True) as there:
            pool = ConnectionPool(f"http://127.0.0.1:{there.port}", connections_max=1)
            for _ in range(3):
                assert await post_ok(pool) == b"well"
                await asyncio.sleep(0.02)
            await pool.close()

    uvloop.run(ask_after_it_closed())


@dataclass
class Forgetful:
    """A path that forgets quiet connections: ``hangs_up`` when asked again on one, else it keeps silent."""

    hangs_up: bool
    connections: int = 0
    requests: int = 0
    forgets: bool = False
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        served = 0
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(2)
                self.requests += 1
                served += 1
                if served > 1 and self.forgets and self.hangs_up:
                    break
                if served > 1 and self.forgets:
                    await asyncio.Event().wait()
                await asyncio.sleep(0.02)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell")
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()


@asynccontextmanager
async def forgetful(*, hangs_up: bool) -> AsyncIterator[Forgetful]:
    there = Forgetful(hangs_up)
    server = await asyncio.start_server(there.serve, "127.0.0.1", 0)
    there.port = server.sockets[0].getsockname()[1]
    try:
        yield there
    finally:
        server.close()


async def test_connections_that_were_quiet_for_long_are_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recalld.infra.http1.IDLE_MAX_S", 0.05)
    async with forgetful(hangs_up=False) as there:
        pool = ConnectionPool(f"http://127.0.0.1:{there.port}", connections_max=8)
        await asyncio.gather(*(post_ok(pool) for _ in range(8)))
        there.forgets = True
        await asyncio.sleep(0.1)
        async with asyncio.timeout(5):
            assert [await post_ok(pool) for _ in range(1)] == [b"well"]
        assert there.connections == 9
        await pool.close()


async def test_a_quiet_connection_is_given_back_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recalld.infra.http1.IDLE_MAX_S", 0.02)
    async with other() as there:
        pool = ConnectionPool(f"http://127.0.0.1:{there.port}", connections_max=1)
        await post_ok(pool)
        async with asyncio.timeout(5):
            while pool.idle:
                await asyncio.sleep(0.01)
        await pool.close()


async def test_a_kept_connection_closed_before_its_answer_is_replaced_at_once() -> None:
    async with forgetful(hangs_up=True) as there:
        pool = ConnectionPool(f"http://127.0.0.1:{there.port}", connections_max=1)
        await post_ok(pool)
        there.forgets = True
        assert await post_ok(pool) == b"well"
        assert (there.connections, there.requests) == (2, 3)
        await pool.close()


async def test_a_new_connection_that_breaks_is_not_tried_again() -> None:
    async with saying() as pool:
        with pytest.raises(CONNECTION_FAILURES):
            await post_within(pool)
        with pytest.raises(CONNECTION_FAILURES):
            await post_within(pool)


async def test_an_answer_cut_in_the_middle_is_not_retried() -> None:
    served = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        for answer in (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell", b"HTTP/1.1 200 OK\r\nContent-Le"):
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(2)
            served += 1
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    pool = ConnectionPool(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", connections_max=1)
    await post_ok(pool)
    with pytest.raises(ConnectionBroken):
        await post_ok(pool)
    assert served == 2
    await pool.close()
    server.close()


async def test_silence_on_one_kept_connection_is_not_waited_for_on_the_others() -> None:
    async with forgetful(hangs_up=False) as there:
        pool = ConnectionPool(f"http://127.0.0.1:{there.port}", connections_max=8)
        await asyncio.gather(*(post_ok(pool) for _ in range(8)))
        there.forgets = True
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await post_ok(pool)
        async with asyncio.timeout(5):
            assert await post_ok(pool) == b"well"
        await pool.close()


async def test_an_address_can_be_the_whole_endpoint() -> None:
    async with other() as there:
        pool = ConnectionPool(f"http://127.0.0.1:{there.port}/v1/rerank?version=2", connections_max=1)
        assert await post_ok(pool, "") == b"well"
        await pool.close()
    assert there.heads[0].startswith("POST /v1/rerank?version=2 HTTP/1.1\r\n")


async def test_connections_ask_after_the_other_side_while_they_are_quiet() -> None:
    async with other() as there:
        pool = ConnectionPool(f"http://127.0.0.1:{there.port}", connections_max=1)
        await pool.post("x", {}, b"{}", bytes_max=100)
        (line,) = pool._idle
        sock = line._transport.get_extra_info("socket")  # type: ignore[union-attr]
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_KEEPIDLE"):  # macOS calls it otherwise
            keepalive = [
                sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_KEEP{name}"))
                for name in ("IDLE", "INTVL", "CNT")
            ]
            assert keepalive == [30, 10, 3]
        await pool.close()
