"""The official MCP client 2.x. ``mcp_2.py URL``: it takes no headers by address alone, so the default user asks."""

from __future__ import annotations

import asyncio
import sys

from mcp.client.client import Client
from mcp_story import live
from steps import finish, step


async def story():
    async with Client(sys.argv[1]) as client:

        async def call(tool, arguments):
            result = await client.call_tool(tool, arguments)
            return [bool(result.is_error), result.content[0].text if result.content else ""]

        tools = [[tool.name, tool.input_schema] for tool in (await client.list_tools()).tools]
        return {"server": client.server_info.name, "tools": tools, "calls": await live(call)}


@step
def session():
    return asyncio.run(story())


finish()
