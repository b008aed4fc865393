"""Streams a stored file piece by piece; a large file is never in memory as a whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid
from recalld.domain.node import Kind
from recalld.domain.policy import WRITE_BYTES_MAX
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.rules.address import SIDECARS
from recalld.usecases.tree.read import read_bytes
from recalld.usecases.tree.session_files import is_view


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file's name, size in bytes, and bytes."""

    name: str
    size: int
    pieces: AsyncIterator[bytes]


async def fetch(uri: Uri, caller: Caller, ports: Ports) -> Fetched:
    """Stream a file, a message, a sidecar or a session's view. Raises ``NotFound``; ``Invalid`` for a directory;
    ``Corrupt`` here if the bytes are missing, and in place of the last piece if their hash differs."""
    if not is_view(uri) and uri.name not in SIDECARS:
        node = await ports.ledger.tenant(caller).stat(uri)
        if node.is_dir:
            raise Invalid(
                f"{uri} is a directory",
                remedy="list it, or export it as a pack",
                details={"expected": "file", "actual": "directory", "uri": str(uri)},
            )
        if node.kind is Kind.FILE and node.size > WRITE_BYTES_MAX:
            pieces = ports.blobs.pieces(node.hash)
            first = await anext(pieces)  # a missing file is reported before the response begins
            return Fetched(uri.name, node.size, _after(first, pieces))
    data = await read_bytes(uri, caller, ports)
    return Fetched(uri.name, len(data), _alone(data))


async def _after(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece


async def _alone(data: bytes) -> AsyncIterator[bytes]:
    yield data
