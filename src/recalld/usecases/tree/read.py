"""Reads files, directories and their tiers, also at OpenViking's addresses for documents, which are never listed or written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from recalld.domain.caller import Caller
from recalld.domain.document import Tiers
from recalld.domain.errors import Conflict, Invalid, NotFound
from recalld.domain.node import ContextType, Entry, Kind, Node
from recalld.domain.uri import Uri
from recalld.ports.bundle import Ports
from recalld.ports.ledger import ReadTransaction, Tree
from recalld.rules.address import SIDECARS, TIER_FILES, context_type, document_at, session_of
from recalld.rules.encoding import utf8
from recalld.rules.lines import Page, line_range, page_of
from recalld.rules.memory_footer import strip
from recalld.rules.sidecar import not_ready, render

from .prepare import text_of
from .session_files import is_view, list_view, missing, stat_view, view_text


async def read_with_alias(uri: Uri, read: Callable[[Uri], Awaitable[T]], caller: Caller, ports: Ports) -> T:
    """Return ``read(uri)``; if nothing is there, the same for the imported document that OpenViking stores at that
    address. Raises ``NotFound`` for ``uri`` if there is none either."""
    try:
        return await read(uri)
    except NotFound as missing:
        found = await _document(uri, caller, ports) if uri.name.endswith(".md") else None
        if found is None:
            raise
        try:
            return await read(found.uri)
        except NotFound:  # removed meanwhile
            raise missing from None


async def read_tier_with_alias(
    uri: Uri, level: int, read: Callable[[Uri, int], Awaitable[str]], caller: Caller, ports: Ports
) -> str:
    """Return a directory's abstract (0) or overview (1); without such a directory, those of the imported document that
    OpenViking stores in it."""
    try:
        return await read(uri, level)
    except NotFound as missing:
        found = await _document(uri, caller, ports)
        if found is None:
            raise
        try:
            tiers = await ports.ledger.tenant(caller).tiers(found.uri)
        except NotFound:
            raise missing from None
    return _tier_text(tiers, level) or not_ready(found.uri, level)


def _tier_text(tiers: Tiers | None, level: int) -> str:
    if tiers is None:
        return ""
    return tiers.overview or tiers.abstract if level else tiers.abstract


async def _document(uri: Uri, caller: Caller, ports: Ports) -> Node | None:
    other = document_at(uri)
    if other is None:
        return None
    try:
        node = await ports.ledger.tenant(caller).stat(other)
    except NotFound:
        return None
    return node if node.kind is Kind.FILE and node.source.get("path") else None


P = ParamSpec("P")
T = TypeVar("T")
COMPUTED_FROM = 65_536
"""Texts from this size on are processed off the event loop."""


async def stat(uri: Uri, caller: Caller, ports: Ports) -> Node:
    """Return a node, view or sidecar. Raises ``NotFound``."""
    tenant = ports.ledger.tenant(caller)
    if is_view(uri):
        return await tenant.read_transaction(lambda reader: stat_view(uri, reader))
    if uri.name in SIDECARS:
        text = await _sidecar(uri, tenant)
        parent = await tenant.stat(uri.parent)
        return Node(
            0, uri, Kind.FILE, size=len(text.encode()), created_at=parent.created_at, updated_at=parent.updated_at
        )
    return await tenant.stat(uri)


async def list_dir(
    uri: Uri, caller: Caller, ports: Ports, *, limit: int, hidden: bool, sort_by: str = "", descending: bool = False
) -> list[Node]:
    """Return children by name or ``mtime``, directories before files."""
    tenant = ports.ledger.tenant(caller)
    if session_of(uri):
        viewed = await tenant.read_transaction(lambda reader: list_view(uri, reader, hidden))
        if viewed is not None:
            return viewed[:limit]
    # Sorting needs every child, not only the first ``limit`` by name.
    wanted = limit if not sort_by and not descending else 100_000
    nodes = await tenant.list(uri, limit=wanted, hidden=hidden)
    if sort_by or descending:
        nodes.sort(key=lambda n: n.updated_at if sort_by == "mtime" else n.uri.name, reverse=descending)
        nodes.sort(key=lambda n: not n.is_dir)
    if hidden:
        nodes = await _sidecar_nodes(uri, tenant) + nodes
    return nodes[:limit]


async def _sidecar_nodes(uri: Uri, tree: Tree) -> list[Node]:
    tiers = await tree.tiers(uri)
    if tiers is None:
        return []
    own = await tree.stat(uri)
    return [Node(0, uri / name, Kind.FILE, created_at=own.created_at, updated_at=own.updated_at) for name in SIDECARS]


async def walk(uri: Uri, caller: Caller, ports: Ports, *, depth: int, limit: int, hidden: bool) -> list[Entry]:
    """Return all descendants in pre-order, at most ``depth`` levels and ``limit`` entries."""
    tenant = ports.ledger.tenant(caller)
    if session_of(uri):
        return await tenant.read_transaction(lambda reader: _walk_views(uri, uri, reader, depth, limit, hidden))
    return await tenant.walk(uri, depth_max=depth, nodes_max=limit, hidden=hidden)


def _walk_views(base: Uri, uri: Uri, reader: ReadTransaction, depth: int, limit: int, hidden: bool) -> list[Entry]:
    nodes = list_view(uri, reader, hidden)
    if nodes is None:
        return reader.walk(uri, depth_max=depth, nodes_max=limit, hidden=hidden)
    entries: list[Entry] = []
    for node in nodes:
        entries.append(Entry(node, node.uri.relative_to(base)))
        if node.is_dir and depth > 1:
            entries += _walk_views(base, node.uri, reader, depth - 1, limit, hidden)
        if len(entries) >= limit:
            break
    return entries[:limit]


async def read_bytes(uri: Uri, caller: Caller, ports: Ports) -> bytes:
    """Return a file's bytes as stored, or a view's as rendered."""
    tenant = ports.ledger.tenant(caller)
    if is_view(uri):
        return (await view_text(uri, tenant)).encode()
    if uri.name in SIDECARS:
        return (await _sidecar(uri, tenant)).encode()
    return await tenant.read(uri)


async def read(uri: Uri, caller: Caller, ports: Ports, *, offset: int, limit: int, raw: bool) -> str:
    """Return a file's text: lines ``offset`` to ``offset + limit`` with their ends (-1 = all); memories without their
    footer unless ``raw``."""
    _check_lines(offset, limit)
    text = await _text(uri, caller, ports, raw=raw)
    if offset == 0 and limit == -1:
        return text
    return await _computed(text, ports, line_range, text, offset, limit)


async def read_page(uri: Uri, caller: Caller, ports: Ports, *, offset: int, limit: int, chars_max: int) -> Page:
    """Return as many whole lines from ``offset`` on as fit into ``chars_max`` characters, at most ``limit`` (-1:
    all)."""
    _check_lines(offset, limit)
    text = await _text(uri, caller, ports, raw=False)
    return await _computed(text, ports, page_of, text, offset, limit, chars_max)


def _check_lines(offset: int, limit: int) -> None:
    if offset < 0 or limit < -1:
        raise Invalid(
            "offset and limit count lines", remedy="offset from 0; limit -1 for all", details={"field": "offset"}
        )


async def _text(uri: Uri, caller: Caller, ports: Ports, *, raw: bool) -> str:
    data = await read_bytes(uri, caller, ports)
    plain = utf8(data) if len(data) < COMPUTED_FROM else None
    text = plain if plain is not None else await ports.compute.run(text_of, data, uri)
    return text if raw or context_type(uri) is not ContextType.MEMORY else strip(text)


async def _computed(text: str, ports: Ports, rule: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Apply a rule to a text: on the loop if it is short, else on a thread."""
    return rule(*args, **kwargs) if len(text) < COMPUTED_FROM else await ports.compute.run(rule, *args, **kwargs)


async def tier(uri: Uri, level: int, caller: Caller, ports: Ports) -> str:
    """Return a directory's abstract (0) or overview (1), for a file its directory's; a placeholder until it is
    generated."""
    tenant = ports.ledger.tenant(caller)
    if is_view(uri):
        return (await view_text(uri / TIER_FILES[level], tenant)).rstrip("\n")
    node = await tenant.stat(uri)
    if not node.is_dir:
        if level == 1:
            raise Conflict(
                f"{uri} is not a directory", remedy="overviews are of directories", code="FAILED_PRECONDITION"
            )
        node = await tenant.stat(uri.parent)
    tiers = await tenant.tiers(node.uri)
    text = "" if tiers is None else (tiers.abstract, tiers.overview)[level]
    return text or not_ready(node.uri, level)


async def _sidecar(uri: Uri, tree: Tree) -> str:
    tiers = await tree.tiers(uri.parent)
    if tiers is None:
        raise missing(uri)
    return render(uri.parent, SIDECARS[uri.name], tiers, await tree.count(uri.parent), pending=False)
