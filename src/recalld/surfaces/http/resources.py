"""/resources: uploads and imports."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from recalld.domain.caller import Caller
from recalld.domain.errors import Denied, Invalid, RecalldError, Upstream
from recalld.domain.policy import LEFT_OUT_MAX, UPLOAD_BYTES_MAX
from recalld.domain.results import Added
from recalld.surfaces.http import serializers
from recalld.surfaces.http.endpoint import Deadline, Endpoint
from recalld.surfaces.http.models.resource import AddBody, AddResult, UploadQuery, UploadResult
from recalld.surfaces.http.multipart import Received, not_stored, receive_file
from recalld.surfaces.http.request import ApiRequest
from recalld.surfaces.http.uploads import finish, new_id, open_upload

_AT = "/api/v1/resources"
_REMOTE = re.compile(r"(?:https?|ssh|git|tos)://|git@", re.IGNORECASE)
_SCP = re.compile(r"git@([^:/]+):", re.IGNORECASE)
_BOOLEANS = frozenset({"", "true", "false", "1", "0", "yes", "no", "on", "off"})
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        # Fields of a form are texts.
                        "telemetry": {"type": "string", "enum": ["true", "false"], "default": "false"},
                        "upload_mode": {"type": "string", "enum": ["local", "shared"], "default": "local"},
                    },
                }
            }
        },
    }
}


async def temp_upload(request: ApiRequest, query: UploadQuery) -> dict[str, Any]:
    """Upload a file for ``POST /resources``, at most 512 MiB. Its id is valid for twelve hours.

    With a ``token`` from the tool ``add_resource`` no key is needed, and the file is imported at once.
    """
    ticket = request.app_state.tickets.take(query.token, sending=True) if query.token else None
    caller = request.caller
    upload_id = await _received(request, caller)
    if ticket is None:
        return {"temp_file_id": upload_id}
    await request.check_ticket(ticket)  # it may have been revoked meanwhile
    upload = await request.app_state.disk.run(open_upload, request.engine.upload_dir, upload_id, caller)
    added = await request.workspace.add(upload.path, name=upload.filename, keep_source=False, **ticket.options)
    return _added(added, waited=False)


async def _received(request: ApiRequest, caller: Caller) -> str:
    """Store the file of a request as an upload of the caller, and return its id."""
    app_state = request.app_state
    folder = request.engine.upload_dir
    part = folder / f"{new_id('', shared=False)}.part"
    quota = app_state.uploads
    async with quota.turn(caller):
        stored = await app_state.scan.run(quota.stored, folder, caller)
        quota.check(caller, stored, _declared(request))
    with quota.receiving(caller, stored) as counted:
        received = await receive_file(request, part, bytes_max=UPLOAD_BYTES_MAX, pool=app_state.disk, counted=counted)
        try:
            return await _store_upload(request, caller, part, received)
        except RecalldError:
            await app_state.disk.run(part.unlink, True)
            raise


def _declared(request: ApiRequest) -> int:
    declared = request.headers.get("content-length", "")
    return min(int(declared), UPLOAD_BYTES_MAX) if declared.isdecimal() else 0


async def _store_upload(request: ApiRequest, caller: Caller, part: Path, received: Received) -> str:
    """Check the fields that came with a file, and give it its id."""
    app_state, folder = request.app_state, part.parent
    mode = received.fields.get("upload_mode", "local")
    telemetry = received.fields.get("telemetry", "false").lower()
    problems = {
        "file": "the file is empty" if received.size == 0 else "",
        "upload_mode": "" if mode in {"local", "shared"} else f"upload_mode {mode[:40]!r} is neither local nor shared",
        "telemetry": "" if telemetry in _BOOLEANS else f"telemetry {telemetry[:40]!r} is neither true nor false",
    }
    for field, problem in problems.items():
        if problem:
            raise Invalid(
                problem, remedy="send a file that is not empty, and fields as documented", details={"field": field}
            )
    upload_id = new_id(received.filename, shared=mode == "shared")
    async with app_state.uploads.turn(caller):
        # Other uploads of this user may have ended since this one began.
        app_state.uploads.check(caller, await app_state.scan.run(app_state.uploads.stored, folder, caller))
        try:
            await app_state.disk.run(finish, part, upload_id, Path(received.filename.replace("\\", "/")).name, caller)
        except OSError as refused:
            raise not_stored(refused) from refused
    return upload_id  # the lock is held until this upload counts as stored, not as received


async def add(request: ApiRequest, body: AddBody) -> dict[str, Any]:
    """Import an upload into ``viking://resources`` (or ``to``/``parent``). It is parsed, summarised and indexed in the
    background, or with ``wait`` before this answers.

    ``args.origin`` names the source: the next import of the same origin updates it in place; another origin gets its own place
    (``docs``, ``docs_1`` ...). What the origin no longer has is removed, unless ``args.keep_removed``; removing more than half
    of it (and more than 20 files) requires ``args.confirm_removals``. ``args.left_out`` names what the source has but did not
    send, ``args.incomplete`` what could not be read there. ``args.as_file``: a single file keeps its own name.
    ``args.parse_mode`` no_split keeps long documents in one piece.
    """
    _check(body)
    folder = request.engine.upload_dir
    upload = await request.app_state.disk.run(open_upload, folder, body.temp_file_id or "", request.caller)
    added = await request.workspace.add(
        upload.path,
        name=_name(body.source_name, upload.filename),
        to=body.to or "",
        parent=body.parent or "",
        create_parent=body.create_parent,
        include=_list(body.include),
        exclude=_list(body.exclude),
        ignore_dirs=_list(body.ignore_dirs),
        strict=body.strict,
        split=body.args.get("parse_mode") != "no_split",
        tags=_list(body.tags),
        origin=str(body.args.get("origin") or ""),
        wait=body.wait,
        timeout_s=body.timeout,
        keep_source=False,
        unwrap=not body.source_name or body.source_name.lower().endswith(".zip"),
        tag_mode=body.tag_mode,
        keep_removed=_flag(body.args, "keep_removed"),
        confirm_removals=_flag(body.args, "confirm_removals"),
        left_out=_texts(body.args, "left_out"),
        incomplete=str(body.args.get("incomplete") or ""),
        as_file=_flag(body.args, "as_file"),
    )
    return _added(added, body.wait)


def _name(source: str | None, uploaded: str) -> str:
    """Return the name of an import. Clients zip a directory and send its name; the upload says that it is a zip."""
    if not source or source.lower().endswith(".zip") or not uploaded.lower().endswith(".zip"):
        return source or uploaded
    return f"{source}.zip"


def _added(added: Added, waited: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "status": "success",
        "root_uri": str(added.root_uri),
        "task_id": added.task_id,
        "errors": [],
        "warnings": list(added.warnings),
    }
    if not waited:
        return shown
    ended = added.result or {}
    match ended.get("status"):
        case "cancelled":
            return shown | {"status": "cancelled"}
        case "failed":
            raise Upstream(
                f"the import failed: {ended.get('error') or 'no reason was given'}",
                remedy="repair what it names and add it again",
                code="PROCESSING_ERROR",
                details={"task_id": added.task_id, "root_uri": str(added.root_uri)},
            )
    warnings = [*shown["warnings"], *ended.get("warnings", ())]
    return shown | serializers.import_result(ended) | {"warnings": warnings}


def _check(body: AddBody) -> None:
    if not body.path and not body.temp_file_id:
        raise Invalid(
            "path or temp_file_id is needed", remedy="upload the file first", details={"field": "temp_file_id"}
        )
    if body.to and body.parent:
        raise Invalid("to and parent exclude each other", remedy="send one of them", details={"field": "to"})
    if body.add_type:
        raise _not_implemented(f"add_type {body.add_type!r}", "import a file or folder through temp_upload")
    if body.watch_interval > 0:
        if body.temp_file_id:
            raise Invalid(
                "an upload cannot be watched", remedy="leave watch_interval out", details={"field": "watch_interval"}
            )
        raise _not_implemented("watching a source", "add it again when it has changed")
    if body.temp_file_id:
        return
    if not _REMOTE.match(body.path or ""):
        raise Denied(
            "a path on the server's own disk is not imported over HTTP",
            remedy="send it through /api/v1/resources/temp_upload, or run recalld add",
            details={"field": "path"},
        )
    if _is_private(body.path or ""):
        raise Denied(
            "the server does not fetch from hosts that are not public",
            remedy="send the file through temp_upload",
            details={"field": "path"},
        )
    raise _not_implemented(
        "fetching web pages and repositories", "download it and send it through temp_upload", "UNSUPPORTED_URI"
    )


def _is_private(address: str) -> bool:
    """Return whether an address names a host that is not public, by its form alone."""
    try:
        scp = _SCP.match(address)
        host = scp[1] if scp else urlsplit(address).hostname or ""
    except ValueError:
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal")) or "." not in host


def _not_implemented(what: str, remedy: str, code: str = "UNSUPPORTED_MODE") -> RecalldError:
    """An error that a retry cannot help: clients retry other failures."""
    return Invalid(f"{what} is not implemented yet", remedy=remedy, code=code)


def _list(value: str | list[str] | None) -> tuple[str, ...]:
    """Return the items of a list, or of a text with commas."""
    pieces = value.split(",") if isinstance(value, str) else value or ()
    return tuple(piece.strip() for piece in pieces if piece.strip())


def _flag(args: dict[str, Any], field: str) -> bool:
    value = args.get(field, False)
    if not isinstance(value, bool):
        raise Invalid(
            f"args.{field} is neither true nor false", remedy="send a boolean", details={"field": f"args.{field}"}
        )
    return value


def _texts(args: dict[str, Any], field: str) -> tuple[str, ...]:
    paths = args.get(field) or []
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths) or len(paths) > LEFT_OUT_MAX:
        raise Invalid(
            f"args.{field} is not a list of at most {LEFT_OUT_MAX} paths",
            remedy="send keep_removed instead where there are more",
            details={"field": f"args.{field}"},
        )
    return tuple(paths)


ENDPOINTS = (
    Endpoint(
        "POST",
        f"{_AT}/temp_upload",
        temp_upload,
        UploadResult | AddResult,
        "Upload a file",
        Deadline.NONE,
        reads=True,
        ticket="send",
        extra=_FORM,
    ),
    Endpoint("POST", _AT, add, AddResult, "Import"),
)
