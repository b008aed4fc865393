"""Downloads, streamed in slices: a slow reader costs one slice of memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from recalld.infra.thread_pool import Pool

SLICE_BYTES = 262_144
BYTES = "application/octet-stream"


def attachment(name: str) -> dict[str, str]:
    """The ``Content-Disposition`` header of a download; ``name`` is percent-encoded."""
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name.encode('utf-8', 'replace'), safe='')}"}


def send_pieces(pieces: AsyncIterator[bytes], name: str, size: int) -> Response:
    """A streamed download. ``Content-Length`` lets the client detect a truncated transfer."""
    headers = attachment(name) | {"Content-Length": str(size)}
    return StreamingResponse(pieces, media_type=BYTES, headers=headers)


async def send_file(path: Path, name: str, size: int, pool: Pool, media: str) -> Response:
    """Send a temporary file. It is unlinked before the first byte is sent, so it cannot be left behind."""
    file = await pool.run(_take, path)
    headers = attachment(name) | {"Content-Length": str(size)}
    return StreamingResponse(_read(file, pool), media_type=media, headers=headers)


def _take(path: Path) -> IO[bytes]:
    file = path.open("rb")
    path.unlink(missing_ok=True)
    return file


async def _read(file: IO[bytes], pool: Pool) -> AsyncIterator[bytes]:
    try:
        while piece := await pool.run(file.read, SLICE_BYTES):
            yield piece
    finally:
        file.close()
