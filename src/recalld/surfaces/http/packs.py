"""/pack: subtrees and accounts as files, and /content/download: single files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from recalld.app.packs import PackOperations
from recalld.domain.errors import Invalid
from recalld.domain.pack import ImportedPack
from recalld.ports.source import UPLOAD_NOTE
from recalld.surfaces.http.downloads import BYTES, send_file, send_pieces
from recalld.surfaces.http.endpoint import Deadline, Endpoint
from recalld.surfaces.http.models.pack import (
    BackupBody,
    BroughtResult,
    DownloadQuery,
    ExportBody,
    ImportBody,
    RestoreBody,
)
from recalld.surfaces.http.request import ApiRequest
from recalld.surfaces.http.uploads import open_upload

_AT = "/api/v1/pack"
_ZIP = "application/zip"


async def download(request: ApiRequest, query: Annotated[DownloadQuery, Query()]) -> Response:
    """A file's bytes as stored, sidecars and session views as they read. With ``token`` no key is asked for."""
    uri = request.app_state.tickets.take(query.token).uri if query.token else query.uri
    if not uri:
        raise Invalid("uri is needed", remedy="name the file to download", details={"field": "uri"})
    found = await request.workspace.facade(PackOperations).fetch(uri)
    return send_pieces(found.pieces, found.name, found.size)


async def export(request: ApiRequest, body: ExportBody) -> Response:
    """A directory and everything below as one zip: texts, tags, summaries, sessions with their messages."""
    pack = await request.workspace.facade(PackOperations).export(body.uri, include_vectors=body.include_vectors)
    return await send_file(pack.path, pack.name, pack.size, request.app_state.disk, _ZIP)


async def backup(request: ApiRequest, body: BackupBody | None = None) -> Response:
    """All of the account, every user's tree, as one zip. For administrators."""
    pack = await request.workspace.facade(PackOperations).backup(
        include_vectors=body is not None and body.include_vectors
    )
    return await send_file(pack.path, pack.name, pack.size, request.app_state.disk, _ZIP)


async def bring(request: ApiRequest, body: ImportBody) -> dict[str, Any]:
    """Put an uploaded pack below ``parent``. All of it is verified before anything is changed."""
    path = await _upload(request, body.temp_file_id)
    done = await request.workspace.facade(PackOperations).import_pack(
        path, body.parent, on_conflict=body.on_conflict or "fail", vector_mode=body.vector_mode or "auto"
    )
    await request.app_state.disk.run(_discard, path)
    return _shown_import(done)


async def restore(request: ApiRequest, body: RestoreBody) -> dict[str, Any]:
    """Put an uploaded backup back, every user's tree to that user. For administrators."""
    path = await _upload(request, body.temp_file_id)
    done = await request.workspace.facade(PackOperations).restore(
        path, on_conflict=body.on_conflict or "fail", vector_mode=body.vector_mode or "auto"
    )
    await request.app_state.disk.run(_discard, path)
    return _shown_import(done)


async def _upload(request: ApiRequest, upload_id: str) -> Path:
    return (await request.app_state.disk.run(open_upload, request.engine.upload_dir, upload_id, request.caller)).path


def _discard(path: Path) -> None:
    """An upload is of use once; one that was refused stays for another try."""
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


ENDPOINTS = (
    Endpoint(
        "GET", "/api/v1/content/download", download, bytes, "Download a file", bare=True, ticket="fetch", media=BYTES
    ),
    Endpoint("POST", f"{_AT}/export", export, bytes, "Export a directory", Deadline.NONE, bare=True, media=_ZIP),
    Endpoint("POST", f"{_AT}/import", bring, BroughtResult, "Import a pack", Deadline.NONE),
    Endpoint("POST", f"{_AT}/backup", backup, bytes, "Back up the account", Deadline.NONE, bare=True, media=_ZIP),
    Endpoint("POST", f"{_AT}/restore", restore, BroughtResult, "Restore a backup", Deadline.NONE),
)
