"""/fs: the tree."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from recalld.surfaces.http import shapes
from recalld.surfaces.http.call import Call
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
from recalld.surfaces.http.route import Verb

_LS_DEPTH = 3
_AT = "/api/v1/fs"


async def ls(call: Call, query: Annotated[LsQuery, Query()]) -> list[Any]:
    """A directory's entries; ``simple`` gives addresses only, ``recursive`` three levels as one flat list."""
    limit = query.limit or query.node_limit
    if query.recursive:
        below = await call.workspace.tree(query.uri, depth=_LS_DEPTH, limit=limit + 1, hidden=query.show_all_hidden)
        found = call.cut(below, limit)
        if query.simple:
            return [str(e.node.uri) for e in found]
        return [shapes.walked(e, query.output, query.abs_limit) for e in found]
    entries = await call.workspace.ls(
        query.uri,
        limit=limit + 1,
        hidden=query.show_all_hidden,
        sort_by=query.sort_by or "",
        descending=query.sort_order == "desc",
    )
    nodes = call.cut(entries, limit)
    if query.simple:
        return [str(n.uri) for n in nodes]
    if query.output == "original":
        return [shapes.original(n) for n in nodes]
    return [shapes.listed(n, query.abs_limit) for n in nodes]


async def tree(call: Call, query: Annotated[TreeQuery, Query()]) -> list[Any]:
    """Everything below a directory as one flat list, parents before children."""
    limit = query.limit or query.node_limit
    found = await call.workspace.tree(query.uri, depth=query.level_limit, limit=limit + 1, hidden=query.show_all_hidden)
    return [shapes.walked(e, query.output, query.abs_limit) for e in call.cut(found, limit)]


async def stat(call: Call, query: Annotated[UriQuery, Query()]) -> dict[str, Any]:
    """One entry."""
    node = await call.workspace.stat(query.uri)
    return shapes.stat(node, await call.workspace.count(query.uri) if node.is_dir else None)


async def mkdir(call: Call, body: MkdirBody) -> dict[str, Any]:
    """Make a directory and its missing parents; ``description`` becomes its abstract."""
    made = await call.workspace.mkdir(body.uri, description=body.description or "")
    return {"uri": str(made.uri)}


async def rm(call: Call, query: Annotated[RmQuery, Query()]) -> dict[str, Any]:
    """Remove a file, or a directory with ``recursive``. What is not there is removed already."""
    before = await call.engine.queues() if query.wait else []
    receipt = await call.workspace.rm(query.uri, recursive=query.recursive)
    uri = call.expand(query.uri)
    queues = shapes.progress(before, await call.workspace.wait(timeout_s=query.timeout)) if query.wait else None
    return {
        "uri": str(uri),
        "estimated_deleted_count": receipt.removed,
        "semantic_root_uri": str(uri.parent),
        "semantic_status": "queued" if receipt.removed and queues is None else "complete",
        "queue_status": queues,
    }


async def mv(call: Call, body: MvBody) -> dict[str, Any]:
    """Rename or re-parent; missing parents of the target are made."""
    await call.workspace.mv(body.from_uri, body.to_uri)
    return {"from": str(call.expand(body.from_uri)), "to": str(call.expand(body.to_uri))}


async def cp(call: Call, body: CpBody) -> dict[str, Any]:
    """Copy a file, or a directory with ``recursive``."""
    receipt = await call.workspace.cp(body.from_uri, body.to_uri, recursive=body.recursive)
    both = {"from": str(call.expand(body.from_uri)), "to": str(call.expand(body.to_uri))}
    return both | {"recursive": body.recursive, "copied_count": len(receipt.created)}


VERBS = (
    Verb("GET", f"{_AT}/ls", ls, list[Listed | ListedOriginal | str], "List a directory"),
    Verb("GET", f"{_AT}/tree", tree, list[Listed | ListedOriginal], "List a subtree"),
    Verb("GET", f"{_AT}/stat", stat, Stat, "Look at one entry"),
    Verb("POST", f"{_AT}/mkdir", mkdir, UriResult, "Make a directory"),
    Verb("DELETE", _AT, rm, Removed, "Remove"),
    Verb("POST", f"{_AT}/mv", mv, Moved, "Move or rename"),
    Verb("POST", f"{_AT}/cp", cp, Copied, "Copy"),
)
