"""/content: text, abstracts and overviews."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from recalld.domain.errors import Invalid
from recalld.domain.results import Operation
from recalld.surfaces.http import serializers
from recalld.surfaces.http.endpoint import Endpoint
from recalld.surfaces.http.models.tree import (
    BatchBody,
    BatchOperation,
    BatchResult,
    ReadQuery,
    UriQuery,
    WriteBody,
    WriteResult,
)
from recalld.surfaces.http.request import ApiRequest

_AT = "/api/v1/content"
_INLINE_CHARS = 64 * 1024


async def read(request: ApiRequest, query: ReadQuery) -> str:
    """Return the text (L2) of a file, all or some of its lines. ``at``: as of a point in time."""
    if query.at:
        past = request.workspace.history
        return await past.read_at(query.uri, query.at, offset=query.offset, limit=query.limit, raw=query.raw)
    return await request.workspace.read(query.uri, offset=query.offset, limit=query.limit, raw=query.raw)


async def abstract(request: ApiRequest, query: UriQuery) -> str:
    """Return the abstract (L0) of a directory, or of the directory of a file."""
    return await request.workspace.abstract(query.uri)


async def overview(request: ApiRequest, query: UriQuery) -> str:
    """Return the overview (L1) of a directory."""
    return await request.workspace.overview(query.uri)


async def write(request: ApiRequest, body: WriteBody) -> dict[str, Any]:
    """Write a file. The next search sees it. ``wait`` also waits for the summaries above it."""
    before = await request.engine.queues() if body.wait else []
    written = await request.workspace.write(
        body.uri,
        body.content,
        mode=body.mode,
        if_version=body.if_version,
        wait=body.wait,
        timeout_s=body.timeout,
    )
    waited = serializers.progress(before, await request.engine.queues()) if body.wait else None
    return serializers.written(request.expand(body.uri), written, body.mode, waited)


async def batch_write(request: ApiRequest, body: BatchBody) -> dict[str, Any]:
    """Write up to 256 files below one directory in one commit, all or none."""
    size = sum(len(o.content or o.content_base64 or "") for o in body.operations)
    if size <= _INLINE_CHARS:
        operations = _operations(request, body.operations)
    else:
        operations = await request.app_state.codec.run(_operations, request, body.operations)
    before = await request.engine.queues() if body.wait else []
    written = await request.workspace.write_many(body.root_uri, operations, wait=body.wait, timeout_s=body.timeout)
    waited = serializers.progress(before, await request.engine.queues()) if body.wait else None
    return serializers.batch(request.expand(body.root_uri), written, waited)


def _operations(request: ApiRequest, batch: list[BatchOperation]) -> list[Operation]:
    return [request.workspace.operation(o.uri, _bytes(o), o.mode) for o in batch]


def _bytes(operation: BatchOperation) -> bytes:
    if (operation.content is None) == (operation.content_base64 is None):
        raise Invalid(f"{operation.uri}: give either content or content_base64", details={"uri": operation.uri})
    if operation.content is not None:
        return operation.content.encode()
    try:
        return base64.b64decode(operation.content_base64 or "", validate=True)
    except (binascii.Error, ValueError) as bad:
        raise Invalid(
            f"{operation.uri}: content_base64 is not base64",
            remedy="encode the bytes again",
            details={"uri": operation.uri},
        ) from bad


ENDPOINTS = (
    Endpoint("GET", f"{_AT}/read", read, str, "Read a file"),
    Endpoint("GET", f"{_AT}/abstract", abstract, str, "Read an abstract"),
    Endpoint("GET", f"{_AT}/overview", overview, str, "Read an overview"),
    Endpoint("POST", f"{_AT}/write", write, WriteResult, "Write a file"),
    Endpoint("POST", f"{_AT}/batch-write", batch_write, BatchResult, "Write many files"),
)
