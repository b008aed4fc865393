"""The official MCP client 1.x over streamable HTTP. ``mcp_1.py URL``."""

from __future__ import annotations

import asyncio
import sys

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from mcp_story import live
from steps import finish, step

HEADERS = {"Authorization": "Bearer none", "X-OpenViking-Account": "default", "X-OpenViking-User": sys.argv[2]}


async def story():
    async with (
        streamablehttp_client(sys.argv[1], headers=HEADERS) as (reader, writer, _),
        ClientSession(reader, writer) as client,
    ):
        hello = await client.initialize()

        async def call(tool, arguments):
            result = await client.call_tool(tool, arguments)
            return [bool(result.isError), result.content[0].text if result.content else ""]

        tools = [[tool.name, tool.inputSchema] for tool in (await client.list_tools()).tools]
        await client.send_ping()
        return {"server": hello.serverInfo.name, "tools": tools, "calls": await live(call)}


@step
def session():
    return asyncio.run(story())


finish()
