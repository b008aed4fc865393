"""/pack: subtrees and accounts as files, and /content/download: single files. A slow reader costs one slice of memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from recalld.domain.errors import Invalid
from recalld.domain.pack import ImportedPack
from recalld.infra.thread_pool import Pool
from recalld.ports.source import UPLOAD_NOTE
from recalld.surfaces.http.endpoint import Deadline, Endpoint
from recalld.surfaces.http.models.resource import (
    BackupBody,
    DownloadQuery,
    ExportBody,
    ImportBody,
    ImportedResult,
    RestoreBody,
)
from recalld.surfaces.http.request import ApiRequest
from recalld.surfaces.http.uploads import open_upload

_AT = "/api/v1/pack"
SLICE_BYTES = 262_144
BYTES = "application/octet-stream"
_ZIP = "application/zip"


async def download(request: ApiRequest, query: DownloadQuery) -> Response:
    """Return a file as it is stored. Tiers and session files are generated. With ``token`` no key is needed."""
    uri = request.app_state.tickets.take(query.token).uri if query.token else query.uri
    if not uri:
        raise Invalid("uri is needed", remedy="name the file to download", details={"field": "uri"})
    found = await request.workspace.download(uri)
    return send_pieces(found.pieces, found.name, found.size)


async def export(request: ApiRequest, body: ExportBody) -> Response:
    """Export a directory and everything below it as a zip: texts, tags, summaries, sessions with their messages."""
    packed = await request.workspace.packs.export(body.uri, include_vectors=body.include_vectors)
    return await send_file(packed.path, packed.name, packed.size, request.app_state.disk, _ZIP)


async def backup(request: ApiRequest, body: BackupBody | None = None) -> Response:
    """Export the whole account, every user's tree, as a zip. Admins only."""
    packed = await request.workspace.packs.backup(include_vectors=body is not None and body.include_vectors)
    return await send_file(packed.path, packed.name, packed.size, request.app_state.disk, _ZIP)


async def import_(request: ApiRequest, body: ImportBody) -> dict[str, Any]:
    """Import an uploaded pack below ``parent``. It is verified before anything is changed."""
    path = await _upload(request, body.temp_file_id)
    done = await request.workspace.packs.import_(
        path, body.parent, on_conflict=body.on_conflict or "fail", vector_mode=body.vector_mode or "auto"
    )
    await request.app_state.disk.run(_discard, path)
    return _shown_import(done)


async def restore(request: ApiRequest, body: RestoreBody) -> dict[str, Any]:
    """Restore an uploaded backup, every user's tree to that user. Admins only."""
    path = await _upload(request, body.temp_file_id)
    done = await request.workspace.packs.restore(
        path, on_conflict=body.on_conflict or "fail", vector_mode=body.vector_mode or "auto"
    )
    await request.app_state.disk.run(_discard, path)
    return _shown_import(done)


async def _upload(request: ApiRequest, upload_id: str) -> Path:
    return (await request.app_state.disk.run(open_upload, request.engine.upload_dir, upload_id, request.caller)).path


def _discard(path: Path) -> None:
    """Delete an upload after use. A rejected one stays for another attempt."""
    path.unlink(missing_ok=True)
    path.with_name(path.name + UPLOAD_NOTE).unlink(missing_ok=True)


def _shown_import(done: ImportedPack) -> dict[str, Any]:
    return {
        "uri": str(done.uri),
        "files": done.files,
        "kept": done.kept,
        "directories": done.directories,
        "sessions": done.sessions,
        "messages": done.messages,
        "left_out": list(done.left_out),
        "left_out_total": done.left_out_total,
    }


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


ENDPOINTS = (
    Endpoint(
        "GET", "/api/v1/content/download", download, bytes, "Download a file", bare=True, ticket="fetch", media=BYTES
    ),
    Endpoint("POST", f"{_AT}/export", export, bytes, "Export a directory", Deadline.NONE, bare=True, media=_ZIP),
    Endpoint("POST", f"{_AT}/import", import_, ImportedResult, "Import a pack", Deadline.NONE),
    Endpoint("POST", f"{_AT}/backup", backup, bytes, "Back up the account", Deadline.NONE, bare=True, media=_ZIP),
    Endpoint("POST", f"{_AT}/restore", restore, ImportedResult, "Restore a backup", Deadline.NONE),
)
