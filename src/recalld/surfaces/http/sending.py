"""Bytes on their way out: named safely, in slices, so that a slow reader costs a slice of memory and no more."""

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
    """The header that names a download; nothing of ``name`` can end it early."""
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name.encode('utf-8', 'replace'), safe='')}"}


def send_pieces(pieces: AsyncIterator[bytes], name: str, size: int) -> Response:
    """A download as it comes. The length is told: a reader knows when it breaks off."""
    headers = attachment(name) | {"Content-Length": str(size)}
    return StreamingResponse(pieces, media_type=BYTES, headers=headers)


async def send_file(path: Path, name: str, size: int, pool: Pool, media: str) -> Response:
    """A file made for this answer alone. It loses its name before the first byte is sent, so that it cannot stay."""
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
