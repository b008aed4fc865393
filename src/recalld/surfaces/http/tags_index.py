"""Attributes and tags, reindexing, and the consistency of the index."""

from __future__ import annotations

from typing import Any

from recalld.domain.errors import Invalid, Upstream
from recalld.domain.job import TaskStatus
from recalld.domain.results import Reindexing
from recalld.rules.address import context_type
from recalld.surfaces.http.endpoint import Endpoint
from recalld.surfaces.http.models.tags_index import (
    AttrsResult,
    ConsistencyBody,
    ConsistencyResult,
    ReindexBody,
    ReindexResult,
    TagsBody,
    TagsResult,
)
from recalld.surfaces.http.models.tree import UriQuery
from recalld.surfaces.http.request import ApiRequest

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
    Endpoint("GET", f"{_API}/fs/attrs", attributes, AttrsResult, "Show tags and fields"),
    Endpoint("POST", f"{_API}/fs/attrs/set_tags", set_tags, TagsResult, "Set tags"),
    Endpoint("POST", f"{_API}/content/set_tags", set_tags, TagsResult, "Set tags"),
    Endpoint("POST", f"{_API}/content/reindex", reindex, ReindexResult, "Rebuild the index"),
    Endpoint("POST", f"{_API}/system/consistency", consistency, ConsistencyResult, "Check the index"),
)
