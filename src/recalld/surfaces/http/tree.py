"""/fs: the tree."""

from __future__ import annotations

from typing import Any

from recalld.surfaces.http import serializers
from recalld.surfaces.http.endpoint import Endpoint
from recalld.surfaces.http.models.tree import (
    Copied,
    CpBody,
    Listed,
    ListedOriginal,
    LsQuery,
    MkdirBody,
    Moved,
    MvBody,
    Removed,
    RmQuery,
    Stat,
    TreeQuery,
    UriQuery,
    UriResult,
)
from recalld.surfaces.http.request import ApiRequest

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
    node = await request.workspace.mkdir(body.uri, description=body.description or "")
    return {"uri": str(node.uri)}


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


ENDPOINTS = (
    Endpoint("GET", f"{_AT}/ls", ls, list[Listed | ListedOriginal | str], "List a directory"),
    Endpoint("GET", f"{_AT}/tree", tree, list[Listed | ListedOriginal], "List a subtree"),
    Endpoint("GET", f"{_AT}/stat", stat, Stat, "Show an entry"),
    Endpoint("POST", f"{_AT}/mkdir", mkdir, UriResult, "Create a directory"),
    Endpoint("DELETE", _AT, rm, Removed, "Remove"),
    Endpoint("POST", f"{_AT}/mv", mv, Moved, "Move or rename"),
    Endpoint("POST", f"{_AT}/cp", cp, Copied, "Copy"),
)
