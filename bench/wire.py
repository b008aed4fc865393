"""HTTP with as little of our own time in it as Python allows: one connection, one request after the other."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any


class Wire:
    """A kept-alive connection to 127.0.0.1. Opened again when the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def send(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/json"
    ) -> tuple[int, bytes, float]:
        """(status, body, seconds)."""
        for attempt in (1, 2):
            if self._writer is None:
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**22)
            begun = time.perf_counter()
            try:
                return await self._exchange(method, path, body, kind, begun)
            except (asyncio.IncompleteReadError, ConnectionError):
                self.close()
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    async def call(self, method: str, path: str, body: object = None, kind: str = "application/json") -> Any:
        """The envelope's result; anything but 2xx is an error."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        status, answer, _ = await self.send(method, path, data, kind)
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {answer[:300]!r}")
        got = json.loads(answer)
        return got.get("result", got)

    async def upload(self, name: str, data: bytes) -> str:
        """temp_upload; returns the id."""
        edge = "recalld-bench-edge"
        head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        body = head.encode() + b"Content-Type: application/zip\r\n\r\n" + data + f"\r\n--{edge}--\r\n".encode()
        got = await self.call("POST", "/api/v1/resources/temp_upload", body, f"multipart/form-data; boundary={edge}")
        return str(got["temp_file_id"])

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _exchange(self, method: str, path: str, body: bytes, kind: str, begun: float) -> tuple[int, bytes, float]:
        assert self._reader is not None
        assert self._writer is not None
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\nContent-Type: {kind}\r\n\r\n"
        self._writer.write(head.encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        status = int(answer[9:12])
        length = 0
        for line in answer.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        data = await self._reader.readexactly(length) if length else b""
        return status, data, time.perf_counter() - begun
