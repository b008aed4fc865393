"""Lines from a pipe or terminal, read so that waiting for the next one can be cancelled."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

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
