"""Collects the entries of a pack: directories, files, sidecars, and sessions as files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid, NotFound
from recalld.domain.node import Node
from recalld.domain.policy import ZIP_ENTRIES_MAX
from recalld.domain.uri import DEPTH_MAX, Uri
from recalld.ports.bundle import Ports
from recalld.rules.address import SIDECARS, session_of
from recalld.rules.pack_format import is_private
from recalld.rules.pack_mapping import NO_PLACE, record_json
from recalld.rules.sidecar import render
from recalld.usecases.tree.read import walk as walk_views
from recalld.usecases.tree.session_files import is_view, view_text


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a new pack: ``data`` None for a directory; ``record``: its index lines (b"" = none), ``abstracts``:
    their texts."""

    path: str
    data: bytes | None = None
    record: bytes = b""
    abstracts: tuple[str, ...] = ()


async def collect(root: Uri, caller: Caller, ports: Ports) -> AsyncIterator[Item]:
    """Yield everything below ``root`` in pre-order, one file's bytes at a time. Entries that vanish meanwhile are left
    out; private values are included for a whole account only. Raises ``NotFound``, ``Invalid`` for a file or for more
    entries than a pack may have."""
    tenant = ports.ledger.tenant(caller)
    top = await tenant.stat(root)
    if not top.is_dir:
        raise Invalid(f"{root} is a file", remedy="export its directory, or download it", details={"field": "uri"})
    entries = await tenant.walk(root, depth_max=DEPTH_MAX, nodes_max=ZIP_ENTRIES_MAX + 1, hidden=True)
    if len(entries) > ZIP_ENTRIES_MAX:
        raise Invalid(
            f"{root} holds more than {ZIP_ENTRIES_MAX} entries",
            remedy="export its parts one by one",
            details={"field": "uri"},
        )
    seen_paths: set[str] = set()
    for node in (top, *(e.node for e in entries)):
        if root.parts and is_private(node.uri):
            continue
        try:
            async for item in _items(node, root, caller, ports):
                # A session's view may also list stored files: the first one wins.
                if item.path not in seen_paths or not item.path:
                    seen_paths.add(item.path)
                    yield item
        except NotFound:
            continue  # removed after listing


async def _items(node: Node, root: Uri, caller: Caller, ports: Ports) -> AsyncIterator[Item]:
    uri, path = node.uri, node.uri.relative_to(root)
    if not node.is_dir:
        if uri.name not in NO_PLACE and not (session_of(uri) and uri.parts[4:5] == ("messages",)):
            data = await ports.ledger.tenant(caller).read(uri)
            yield Item(path, data, record_json(path, node, 2, node.abstract), (node.abstract or uri.name,))
        return
    if session_of(uri):
        async for item in _session_items(node, root, caller, ports):
            yield item
        return
    tiers = await ports.ledger.tenant(caller).tiers(uri)
    texts = (tiers.abstract, tiers.overview) if tiers is not None else ("",)
    record = b"".join(record_json(path, node, level, text) for level, text in enumerate(texts))
    yield Item(path, None, record, tuple(t or uri.name for t in texts))
    if tiers is not None:
        for name, level in SIDECARS.items():
            yield Item(f"{path}/{name}" if path else name, render(uri, level, tiers, 0, pending=False).encode())


async def _session_items(node: Node, root: Uri, caller: Caller, ports: Ports) -> AsyncIterator[Item]:
    """Yield a session as its views; its directory of messages is their source and not traversed."""
    uri = node.uri
    yield Item(uri.relative_to(root))
    if len(uri.parts) != 4:
        return
    who = replace(caller, user=uri.parts[1])
    tenant = ports.ledger.tenant(who)
    for entry in await walk_views(uri, who, ports, depth=DEPTH_MAX, limit=ZIP_ENTRIES_MAX, hidden=True):
        view = entry.node.uri
        if not is_view(view) or entry.node.id:
            continue  # a stored file of the session, visited by the traversal itself
        path = view.relative_to(root)
        yield Item(path) if entry.node.is_dir else Item(path, (await view_text(view, tenant)).encode())
