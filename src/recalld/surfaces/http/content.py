"""/content: what files and directories say."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

from fastapi import Query

from recalld.app.history import HistoryOperations
from recalld.domain.errors import Invalid
from recalld.domain.results import Operation
from recalld.surfaces.http import shapes
from recalld.surfaces.http.call import Call
from recalld.surfaces.http.models.tree import (
    BatchBody,
    BatchOperation,
    BatchResult,
    ReadQuery,
    UriQuery,
    WriteBody,
    WriteResult,
)
from recalld.surfaces.http.route import Verb

_AT = "/api/v1/content"
_INLINE_CHARS = 64 * 1024


async def read(call: Call, query: Annotated[ReadQuery, Query()]) -> str:
    """A file's text (L2), whole or some of its lines, as it is or as it was ``at`` a moment."""
    if query.at:
        past = call.workspace.facade(HistoryOperations)
        return await past.read_at(query.uri, query.at, offset=query.offset, limit=query.limit, raw=query.raw)
    return await call.workspace.read(query.uri, offset=query.offset, limit=query.limit, raw=query.raw)


async def abstract(call: Call, query: Annotated[UriQuery, Query()]) -> str:
    """A directory's abstract (L0); of a file: of the directory it lies in."""
    return await call.workspace.abstract(query.uri)


async def overview(call: Call, query: Annotated[UriQuery, Query()]) -> str:
    """A directory's overview (L1)."""
    return await call.workspace.overview(query.uri)


async def write(call: Call, body: WriteBody) -> dict[str, Any]:
    """Write a file; when this answers the next search sees it. ``wait`` also waits for the summaries above it."""
    before = await call.engine.queues() if body.wait else []
    did = await call.workspace.write(
        body.uri,
        body.content,
        mode=body.mode,
        if_version=body.if_version,
        wait=body.wait,
        timeout_s=body.timeout,
    )
    waited = shapes.progress(before, await call.engine.queues()) if body.wait else None
    return shapes.written(call.expand(body.uri), did, body.mode, waited)


async def batch_write(call: Call, body: BatchBody) -> dict[str, Any]:
    """Write up to 256 files below one directory in one commit: all or none."""
    size = sum(len(o.content or o.content_base64 or "") for o in body.operations)
    if size <= _INLINE_CHARS:
        operations = _operations(call, body.operations)
    else:
        operations = await call.front.codec.run(_operations, call, body.operations)
    before = await call.engine.queues() if body.wait else []
    did = await call.workspace.write_many(body.root_uri, operations, wait=body.wait, timeout_s=body.timeout)
    waited = shapes.progress(before, await call.engine.queues()) if body.wait else None
    return shapes.batch(call.expand(body.root_uri), did, waited)


def _operations(call: Call, asked: list[BatchOperation]) -> list[Operation]:
    return [call.workspace.operation(o.uri, _bytes(o), o.mode) for o in asked]


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


VERBS = (
    Verb("GET", f"{_AT}/read", read, str, "Read a file"),
    Verb("GET", f"{_AT}/abstract", abstract, str, "A directory in a sentence"),
    Verb("GET", f"{_AT}/overview", overview, str, "A directory on a page"),
    Verb("POST", f"{_AT}/write", write, WriteResult, "Write a file"),
    Verb("POST", f"{_AT}/batch-write", batch_write, BatchResult, "Write many files"),
)
