"""Request lines that name another host than the header are refused by a running server. Bare sockets on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from recalld.surfaces.http.app import Application
from recalld.surfaces.http.protocol import Protocol

HOST = b"Host: 127.0.0.1\r\n"
UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


@pytest.fixture
async def port(app: Application) -> AsyncIterator[int]:
    config, state = Config(app, lifespan="off", log_config=None, ws="none", http=Protocol), ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Protocol(config, state, {}), "127.0.0.1", 0)
    yield int(server.sockets[0].getsockname()[1])
    server.close()


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        (b"GET /health", HOST, 200),
        (b"GET http://127.0.0.1/health", HOST, 200),
        (b"GET http://evil.example/health", HOST, 421),
        (b"GET HTTPS://evil.example:443/health", HOST, 421),
        (b"GET http://127.0.0.1@evil.example/health", HOST, 421),
        (b"GET http://127.0.0.1/health", b"Host: evil.example\r\n", 421),
        (b"GET /health", b"", 421),
        (b"GET /health", HOST + HOST, 421),
        (b"GET /health", HOST + b"hOsT: evil.example\r\n", 421),
        (b"GET /mcp", HOST + UPGRADE + b"Origin: https://evil.example\r\n", 403),
        (b"OPTIONS *", b"Host: evil.example\r\n", 421),
    ],
)
async def test_every_name_in_a_request_counts(port: int, line: bytes, headers: bytes, status: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(line + b" HTTP/1.1\r\n" + headers + b"\r\n")
    async with asyncio.timeout(30):
        answered = await reader.readline()
    writer.close()
    assert int(answered.split()[1]) == status
