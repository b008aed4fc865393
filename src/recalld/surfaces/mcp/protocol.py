"""The only module that imports the MCP library. Slow to import: load it on a pool's thread."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

from mcp import types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import Receive, Scope, Send

from recalld.domain.version import VERSION

from .arguments import schema
from .tool_context import ToolContext
from .tools import TOOLS, call

_OPEN = TransportSecuritySettings(enable_dns_rebinding_protection=False)
BODY_BYTES_MAX = 96 * 1024 * 1024
"""The library's own bound; the HTTP server has read the body and enforces a tighter one."""


def listing() -> types.ListToolsResult:
    """All tools with their schemas."""
    return types.ListToolsResult(
        tools=[types.Tool(name=t.name, description=t.description, input_schema=schema(t.takes)) for t in TOOLS]
    )


def server(tool_context_of: Callable[[Any], ToolContext]) -> Server[Any]:
    """A server of our tools. ``tool_context_of`` gets the HTTP request of a call, None on stdio."""
    tools = listing()

    async def list_tools(
        _: ServerRequestContext[Any], __: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return tools

    async def call_tool(
        context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        text, failed = await call(tool_context_of(context.request), params.name, params.arguments or {})
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=failed)

    return Server("openviking", version=VERSION, on_list_tools=list_tools, on_call_tool=call_tool)


async def answer(of: Server[Any], scope: Scope, receive: Receive, send: Send) -> None:
    """One HTTP request, stateless, answered in JSON; the tasks it takes end with it."""
    manager = StreamableHTTPSessionManager(
        of, json_response=True, stateless=True, security_settings=_OPEN, max_request_body_size=BODY_BYTES_MAX
    )
    async with manager.run():
        await manager.handle_request(scope, receive, send)


async def serve_stdio(tool_context: ToolContext) -> None:
    """Serve stdin and stdout until stdin ends or stdout is closed."""
    served = server(lambda _: tool_context)
    try:
        # Lines that can be waited for without a thread; the library's own where the loop cannot watch a pipe (Windows).
        stdin: Any = None if sys.platform == "win32" else lines(0)
        async with stdio_server(stdin=stdin) as (read, write):
            await served.run(read, write, served.create_initialization_options())
    except* BrokenPipeError:
        pass  # the client has gone


PIECE_BYTES = 65_536


async def lines(descriptor: int) -> AsyncIterator[str]:
    """Lines of UTF-8 until the end, without their ends; what is not UTF-8 is replaced.

    A thread that reads cannot be cancelled: a program that is to end would wait for its client's next line. Here the loop
    waits, and a read takes what is there.
    """
    rest = b""
    while piece := await _read(descriptor):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")


async def _read(descriptor: int) -> bytes:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    try:
        loop.add_reader(descriptor, _set, ready)
    except PermissionError:  # a regular file, which is always ready
        return os.read(descriptor, PIECE_BYTES)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, PIECE_BYTES)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
