"""/fs and /content: the tree, texts and tags, and the index of a subtree."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from recalld.domain.errors import Invalid, Upstream
from recalld.domain.job import TaskStatus
from recalld.domain.results import Operation, Reindexing
from recalld.rules.address import context_type
from recalld.surfaces.http import serializers
from recalld.surfaces.http.endpoint import Endpoint
from recalld.surfaces.http.models.tree import (
    AttrsResult,
    BatchBody,
    BatchOperation,
    BatchResult,
    ConsistencyBody,
    ConsistencyResult,
    Copied,
    CpBody,
    Listed,
    ListedOriginal,
    LsQuery,
    MkdirBody,
    Moved,
    MvBody,
    ReadQuery,
    ReindexBody,
    ReindexResult,
    Removed,
    RmQuery,
    Stat,
    TagsBody,
    TagsResult,
    TreeQuery,
    UriQuery,
    UriResult,
    WriteBody,
    WriteResult,
)
from recalld.surfaces.http.request import ApiRequest

_CONTENT = "/api/v1/content"
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


_LS_DEPTH = 3
_AT = "/api/v1/fs"


async def ls(request: ApiRequest, query: LsQuery) -> list[Any]:
    """List a directory. ``simple`` returns addresses only, ``recursive`` three levels as one flat list."""
    limit = query.limit or query.node_limit
    if query.recursive:
        below = await request.workspace.tree(query.uri, depth=_LS_DEPTH, limit=limit + 1, hidden=query.show_all_hidden)
        found = request.cut(below, limit)
        if query.simple:
            return [str(e.node.uri) for e in found]
        return [serializers.walked(e, query.output, query.abs_limit) for e in found]
    entries = await request.workspace.ls(
        query.uri,
        limit=limit + 1,
        hidden=query.show_all_hidden,
        sort_by=query.sort_by or "",
        descending=query.sort_order == "desc",
    )
    nodes = request.cut(entries, limit)
    if query.simple:
        return [str(n.uri) for n in nodes]
    if query.output == "original":
        return [serializers.original(n) for n in nodes]
    return [serializers.listed(n, query.abs_limit) for n in nodes]


async def tree(request: ApiRequest, query: TreeQuery) -> list[Any]:
    """List everything below a directory as one flat list, parents before children."""
    limit = query.limit or query.node_limit
    found = await request.workspace.tree(
        query.uri, depth=query.level_limit, limit=limit + 1, hidden=query.show_all_hidden
    )
    return [serializers.walked(e, query.output, query.abs_limit) for e in request.cut(found, limit)]


async def stat(request: ApiRequest, query: UriQuery) -> dict[str, Any]:
    """Return the metadata of one entry."""
    node = await request.workspace.stat(query.uri)
    return serializers.stat(node, await request.workspace.count(query.uri) if node.is_dir else None)


async def mkdir(request: ApiRequest, body: MkdirBody) -> dict[str, Any]:
    """Create a directory and its missing parents. ``description`` becomes its abstract."""
    return {"uri": str((await request.workspace.mkdir(body.uri, description=body.description or "")).uri)}


async def rm(request: ApiRequest, query: RmQuery) -> dict[str, Any]:
    """Remove a file, or with ``recursive`` a directory. Removing what does not exist succeeds."""
    before = await request.engine.queues() if query.wait else []
    receipt = await request.workspace.rm(query.uri, recursive=query.recursive)
    uri = request.expand(query.uri)
    queues = serializers.progress(before, await request.workspace.wait(timeout_s=query.timeout)) if query.wait else None
    return {
        "uri": str(uri),
        "estimated_deleted_count": receipt.removed,
        "semantic_root_uri": str(uri.parent),
        "semantic_status": "queued" if receipt.removed and queues is None else "complete",
        "queue_status": queues,
    }


async def mv(request: ApiRequest, body: MvBody) -> dict[str, Any]:
    """Rename or move a file or subtree. Missing parents of the target are created."""
    await request.workspace.mv(body.from_uri, body.to_uri)
    return {"from": str(request.expand(body.from_uri)), "to": str(request.expand(body.to_uri))}


async def cp(request: ApiRequest, body: CpBody) -> dict[str, Any]:
    """Copy a file, or with ``recursive`` a directory."""
    receipt = await request.workspace.cp(body.from_uri, body.to_uri, recursive=body.recursive)
    both = {"from": str(request.expand(body.from_uri)), "to": str(request.expand(body.to_uri))}
    return both | {"recursive": body.recursive, "copied_count": len(receipt.created)}


_API = "/api/v1"


async def attributes(request: ApiRequest, query: UriQuery) -> dict[str, Any]:
    """Return the tags of an entry, and of a memory also its fields."""
    found = await request.workspace.index.attributes(query.uri)
    shown: dict[str, Any] = {"tags": list(found.tags)}
    if found.memory is not None:
        shown["memory"] = found.memory
    return {"uri": str(found.uri), "context_type": context_type(found.uri).value, "attrs": shown}


async def set_tags(request: ApiRequest, body: TagsBody) -> dict[str, Any]:
    """Set tags of an entry, or with ``recursive`` of everything at and below it. Entries that have them already are skipped."""
    result = await request.workspace.index.set_tags(body.uri, body.tags, mode=body.mode, recursive=body.recursive)
    return {
        "uri": str(result.uri),
        "updated_uris": [str(u) for u in result.updated],
        "root_uri": str(result.uri),
        "context_type": context_type(result.uri).value,
        "tags": list(result.tags),
        "mode": body.mode,
        "success_count": len(result.updated),
        "skipped_count": result.skipped,
        "failed_count": 0,
        "tags_updated": bool(result.updated),
    }


async def reindex(request: ApiRequest, body: ReindexBody) -> dict[str, Any]:
    """Rebuild the index of a subtree. With ``wait``, return when its vectors are complete as well."""
    index = request.workspace.index
    if body.dry_run:
        if body.mode != "prune_orphans":
            raise Invalid(
                "dry_run goes with mode prune_orphans alone", remedy="leave it out", details={"field": "dry_run"}
            )
        return await index.would_prune(body.uri)
    tags = body.tags.split(",") if isinstance(body.tags, str) else body.tags or ()
    began = await index.reindex(body.uri, mode=body.mode, recursive=body.recursive, tags=tags, tag_mode=body.tag_mode)
    return await _ended(request, began) if body.wait else _shown_reindexing(began, "accepted")


async def _ended(request: ApiRequest, began: Reindexing) -> dict[str, Any]:
    await request.workspace.wait(task_id=began.task_id)
    task = await request.workspace.tasks.get(began.task_id)
    if task.status is TaskStatus.CANCELLED:
        return _shown_reindexing(began, "cancelled")
    if task.status is not TaskStatus.COMPLETED or task.result is None:
        raise Upstream(
            f"reindexing {began.uri} failed: {task.error}",
            remedy="see the task and the server's log",
            code="PROCESSING_ERROR",
            details={"task_id": began.task_id},
        )
    await request.workspace.wait()
    return task.result


def _shown_reindexing(began: Reindexing, status: str) -> dict[str, Any]:
    return {
        "task_id": began.task_id,
        "status": status,
        "uri": str(began.uri),
        "object_type": began.object_type,
        "mode": began.mode,
    }


async def consistency(request: ApiRequest, body: ConsistencyBody) -> dict[str, Any]:
    """Return whether everything at and below an address is in the index. A recent import may still be in progress."""
    found = await request.workspace.index.consistency(body.uri)
    return {
        "ok": not found.missing,
        "expected_count": found.expected,
        "missing_record_count": found.missing,
        "missing_records": [
            {"uri": str(r.uri), "path": "/".join(r.uri.parts), "level": r.level, "key": f"{r.node_id}:{r.level}"}
            for r in found.first
        ],
        "missing_records_truncated": found.missing > len(found.first),
        "refused_texts": dict(found.refused),
    }


ENDPOINTS = (
    Endpoint("GET", f"{_CONTENT}/read", read, str, "Read a file"),
    Endpoint("GET", f"{_CONTENT}/abstract", abstract, str, "Read an abstract"),
    Endpoint("GET", f"{_CONTENT}/overview", overview, str, "Read an overview"),
    Endpoint("POST", f"{_CONTENT}/write", write, WriteResult, "Write a file"),
    Endpoint("POST", f"{_CONTENT}/batch-write", batch_write, BatchResult, "Write many files"),
    Endpoint("GET", f"{_AT}/ls", ls, list[Listed | ListedOriginal | str], "List a directory"),
    Endpoint("GET", f"{_AT}/tree", tree, list[Listed | ListedOriginal], "List a subtree"),
    Endpoint("GET", f"{_AT}/stat", stat, Stat, "Show an entry"),
    Endpoint("POST", f"{_AT}/mkdir", mkdir, UriResult, "Create a directory"),
    Endpoint("DELETE", _AT, rm, Removed, "Remove"),
    Endpoint("POST", f"{_AT}/mv", mv, Moved, "Move or rename"),
    Endpoint("POST", f"{_AT}/cp", cp, Copied, "Copy"),
    Endpoint("GET", f"{_API}/fs/attrs", attributes, AttrsResult, "Show tags and fields"),
    Endpoint("POST", f"{_API}/fs/attrs/set_tags", set_tags, TagsResult, "Set tags"),
    Endpoint("POST", f"{_API}/content/set_tags", set_tags, TagsResult, "Set tags"),
    Endpoint("POST", f"{_API}/content/reindex", reindex, ReindexResult, "Rebuild the index"),
    Endpoint("POST", f"{_API}/system/consistency", consistency, ConsistencyResult, "Check the index"),
)
