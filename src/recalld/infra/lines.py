"""Kept connections to one provider, the one used last taken first.

httpx keeps its connections in one pool and, at every request's beginning and end, asks the system about each idle one of
them: with thirty people asking that took a third of the loop's time. Here each line is a transport of its own with a
single connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx2


class Lines(httpx2.AsyncBaseTransport):
    """At most ``lines_max`` requests at once; one more waits, under its caller's deadline."""

    def __init__(self, lines_max: int) -> None:
        self._limits = httpx2.Limits(max_connections=1, max_keepalive_connections=1)
        self._verify = httpx2.create_ssl_context()  # costs more than a connection: once for all
        self._places = asyncio.Semaphore(lines_max)
        self._idle: list[httpx2.AsyncHTTPTransport] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """See ``httpx2.AsyncBaseTransport``. The line is free again when the response is closed."""
        await self._places.acquire()
        line = self._idle.pop() if self._idle else httpx2.AsyncHTTPTransport(verify=self._verify, limits=self._limits)
        body = _Body(self, line)
        try:
            response = await line.handle_async_request(request)
        except BaseException:
            body.give_back()
            raise
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        body.stream = response.stream
        response.stream = body
        return response

    def give_back(self, line: httpx2.AsyncHTTPTransport) -> None:
        """A line whose request is over, well or not."""
        self._idle.append(line)
        self._places.release()

    async def aclose(self) -> None:
        """Drop the connections."""
        while self._idle:
            await self._idle.pop().aclose()


class _Body(httpx2.AsyncByteStream):
    """A response's body, which holds its line until it is closed."""

    def __init__(self, lines: Lines, line: httpx2.AsyncHTTPTransport) -> None:
        self.stream: httpx2.AsyncByteStream = httpx2.ByteStream(b"")
        self._lines = lines
        self._line: httpx2.AsyncHTTPTransport | None = line

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self.stream:
            yield part

    async def aclose(self) -> None:
        try:
            await self.stream.aclose()
        finally:
            self.give_back()

    def give_back(self) -> None:
        """Once, however often it is closed."""
        line, self._line = self._line, None
        if line is not None:
            self._lines.give_back(line)
