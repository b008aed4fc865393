"""The official MCP client against a running server, and over stdio."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from mcp import StdioServerParameters
from mcp.client.client import Client
from mcp.client.stdio import stdio_client

from tests.live import QUIET, serving

TEA = "viking://resources/notes/tea.md"


async def story(client: Client) -> None:
    assert {"find", "remember", "add_skill"} <= {tool.name for tool in (await client.list_tools()).tools}
    wrote = await client.call_tool("write", {"uri": TEA, "content": "Ana drinks oolong at dawn.\n"})
    assert not wrote.is_error
    found = await client.call_tool("find", {"query": "oolong", "min_score": 0.0})
    assert TEA in found.content[0].text  # type: ignore[union-attr]
    missing = await client.call_tool("read", {"uris": "viking://resources/none.md"})
    assert missing.is_error


def test_the_official_client_works_against_a_running_server(tmp_path: Path) -> None:
    async def live(url: str) -> None:
        async with Client(url) as client:
            await story(client)

    with serving(tmp_path / "data") as server:
        asyncio.run(live(f"http://127.0.0.1:{server.port}/mcp"))


def test_the_official_client_works_over_stdio(tmp_path: Path) -> None:
    async def local() -> None:
        command = ["-m", "recalld", "mcp", "--data", str(tmp_path / "data")]
        with (tmp_path / "err.log").open("w") as errors:
            server = StdioServerParameters(command=sys.executable, args=command, env={**os.environ, **QUIET})
            async with Client(stdio_client(server, errlog=errors)) as client:
                await story(client)

    asyncio.run(local())
