"""The published SDK's asynchronous client. ``sdk_async.py URL``."""

from __future__ import annotations

import asyncio
import sys

from openviking_sdk import AsyncHTTPClient
from steps import finish, step

URL = sys.argv[1]


@step
def asynchronous():
    async def story():
        client = AsyncHTTPClient(url=URL, user="bob", account="default", actor_peer_id="telegram")
        await client.initialize()
        try:
            await client.add_message("async-1", "user", "The spare key hangs behind the fern.")
            found = await client.find("where is the spare key")
            return [await client.health(), found, await client.get_session("async-1")]
        finally:
            await client.close()

    return asyncio.run(story())


finish()
