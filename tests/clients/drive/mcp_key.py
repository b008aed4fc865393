"""An MCP client with a key and without. ``mcp_key.py URL KEY``."""

from __future__ import annotations

import asyncio
import sys

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from steps import finish, step


async def tools(headers):
    async with (
        streamablehttp_client(sys.argv[1], headers=headers) as (reader, writer, _),
        ClientSession(reader, writer) as client,
    ):
        await client.initialize()
        return len((await client.list_tools()).tools)


@step
def with_key():
    return asyncio.run(tools({"Authorization": f"Bearer {sys.argv[2]}"}))


@step
def without():
    return asyncio.run(tools({}))


finish()
