"""Reading the tree: stat, list, walk, read and what a pattern search scans."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import apsw

from recalld.adapters.sqlite.database.append_streams import inline_bytes
from recalld.adapters.sqlite.database.sql import fetch_all, fetch_one
from recalld.domain.caller import Caller
from recalld.domain.document import Tiers
from recalld.domain.errors import Conflict, Corrupt, Invalid
from recalld.domain.node import Entry, Kind, Node
from recalld.domain.uri import Uri
from recalld.rules.contents import damaged_file, verify
from recalld.rules.openviking_json import message_page

from . import message_rows, rows
from .rows import SELECT_NODE

NOT_MESSAGES = "n.kind <> 2 AND NOT (n.name = 'messages' AND n.parent IN (SELECT node FROM session))"
TEXTUAL = (
    "(n.media LIKE 'text/%' OR n.media IN ('application/json', 'application/jsonl', 'application/yaml', "
    "'application/toml', 'application/xml', 'image/svg+xml'))"
)
SCANNED_NODES = 20_000
SCANNED_BYTES = 8 << 20
SCANNED_MESSAGES = 500
"""What one slice of a search by pattern looks at, some fifty milliseconds: then others have the connection."""
NAMESPACE_MAX = 100_000
NO_SOURCE: dict[str, Any] = {}
_path_of = attrgetter("rel_path")
Scanned = tuple[int, int, str, bytes | None, int, str]
"""id, parent, name, content, size, hash."""


def stat(c: apsw.Connection, caller: Caller, uri: Uri) -> Node:
    rows.check_access(caller, uri)
    node = rows.find(c, caller.account, uri)
    if node:
        return rows.load(c, node, uri)
    if rows.is_namespace(uri, caller):
        return Node(0, uri, Kind.DIRECTORY)
    raise rows.missing(uri)


def list_dir(c: apsw.Connection, caller: Caller, uri: Uri, limit: int, hidden: bool) -> list[Node]:
    node = stat(c, caller, uri)
    if not node.is_dir:
        raise Conflict(
            f"{uri} is not a directory", remedy="read it instead", code="FAILED_PRECONDITION", details={"uri": str(uri)}
        )
    return _entries(c, caller, node, limit, hidden)


def _entries(c: apsw.Connection, caller: Caller, node: Node, limit: int, hidden: bool) -> list[Node]:
    """A directory's entries, those included that are there before anything was written."""
    uri = node.uri
    found = _children(c, caller, node.id, uri, limit, hidden) if node.id else []
    always = rows.namespace_children(uri, caller)
    if not always:
        return found
    have = {n.uri.name for n in found}
    virtual = [Node(0, uri / name, Kind.DIRECTORY) for name in always if name not in have]
    return sorted(virtual + found, key=lambda n: (not n.is_dir, n.uri.name))[:limit] if virtual else found


def _children(c: apsw.Connection, caller: Caller, node: int, uri: Uri, limit: int, hidden: bool) -> list[Node]:
    name = caller.user if uri.parts == ("user",) and not caller.sees_all else ""
    if caller.peer and uri.parts == ("user", caller.user, "peers"):
        name = caller.peer
    hide = "" if hidden else " AND NOT (n.name LIKE '.%' AND n.kind <> 0)"
    found = fetch_all(
        c,
        f"{SELECT_NODE} WHERE n.parent = ? AND n.gone = 0 AND (? = '' OR n.name = ?){hide} "
        "ORDER BY n.kind <> 0, n.name LIMIT ?",
        (node, name, name, limit + 1),
    )
    # Names were checked when they were made: no need to check them again for every entry of a listing.
    return [rows.node_from(v, Uri((*uri.parts, v[1]))) for v in found if not rows.is_hidden_messages(uri, v[1])][:limit]


def walk(c: apsw.Connection, caller: Caller, uri: Uri, depth_max: int, nodes_max: int, hidden: bool) -> list[Entry]:
    entries: list[Entry] = []
    stack: list[tuple[Node, int]] = [(n, 1) for n in reversed(list_dir(c, caller, uri, nodes_max, hidden))]
    while stack and len(entries) < nodes_max:
        node, depth = stack.pop()
        entries.append(Entry(node, node.uri.relative_to(uri)))
        if node.is_dir and depth < depth_max:
            stack += [(n, depth + 1) for n in reversed(_entries(c, caller, node, nodes_max - len(entries), hidden))]
    return entries


def read(c: apsw.Connection, caller: Caller, uri: Uri) -> tuple[Node, bytes | None]:
    """A file and its bytes; None: they lie in the blob store."""
    node = stat(c, caller, uri)
    if node.is_dir:
        raise Invalid(
            f"{uri} is a directory",
            remedy="list it instead",
            details={"expected": "file", "actual": "directory", "uri": str(uri)},
        )
    return node, content(c, node)


def content(c: apsw.Connection, node: Node) -> bytes | None:
    """A node's bytes, None if they lie in the blob store. Raises ``Corrupt`` where they are not those that were written."""
    if node.kind is Kind.MESSAGE:
        found = message_rows.find(c, node.id, node.uri)
        return message_page(found).encode() if found else b""
    if not node.size:
        return b""
    data = c.execute("SELECT data FROM blob WHERE hash = ?", (node.hash,)).fetchone()
    if data is not None:
        return None if data[0] is None else verify(node, bytes(data[0]))
    try:
        return inline_bytes(c, node.hash)
    except Corrupt as damaged:
        raise damaged_file(node, damaged.message) from damaged


def tiers(c: apsw.Connection, caller: Caller, uri: Uri) -> Tiers | None:
    return rows.tiers(c, stat(c, caller, uri).id)


def size(c: apsw.Connection, caller: Caller, uri: Uri) -> int:
    rows.check_access(caller, uri)
    node = rows.find(c, caller.account, uri)
    below = "WITH RECURSIVE s(id) AS (SELECT ? UNION ALL SELECT n.id FROM s JOIN node n ON n.parent = s.id WHERE n.gone = 0)"
    return int(fetch_one(c, f"{below} SELECT count(*) FROM s", (node,))[0]) if node else 0


def names(c: apsw.Connection, caller: Caller, uri: Uri, nodes_max: int) -> list[Entry]:
    top = stat(c, caller, uri)
    if not top.id or is_message_uri(uri):
        return [Entry(n, n.uri.relative_to(uri)) for n in list_dir(c, caller, uri, nodes_max, False)]
    # Per directory its address and the path below ``uri``: an entry costs one of each, never a walk up.
    places: dict[int, tuple[tuple[str, ...], str]] = {top.id: (uri.parts, "")}
    entries: list[Entry] = []
    for id_, parent, name, is_file in _below(c, top.id, nodes_max):
        place = places.get(parent)
        if place is None or not _shown(caller, place[0], name, is_file):
            continue
        parts, path = (*place[0], name), place[1] + name
        if not is_file:
            places[id_] = (parts, f"{path}/")
        node = Node(id_, Uri(parts), Kind.FILE if is_file else Kind.DIRECTORY, source=NO_SOURCE)
        entries.append(Entry(node, path))
    entries.sort(key=_path_of)
    return entries


def _below(c: apsw.Connection, top: int, most: int) -> list[tuple[int, int, str, int]]:
    columns = "n.id, n.parent, n.name, n.kind"
    return fetch_all(
        c,
        f"WITH RECURSIVE s(id, parent, name, kind) AS (SELECT {columns} FROM node n WHERE n.parent = ? AND n.gone = 0 "
        f"AND {NOT_MESSAGES} UNION ALL SELECT {columns} FROM node n JOIN s ON n.parent = s.id WHERE n.gone = 0 "
        f"AND {NOT_MESSAGES} LIMIT ?) SELECT id, parent, name, kind <> 0 FROM s",
        (top, most),
    )


def _shown(caller: Caller, parent: tuple[str, ...], name: str, is_file: int) -> bool:
    if name.startswith(".") and is_file:
        return False
    if caller.hides((*parent, name)):
        return False
    return caller.sees_all or parent != ("user",) or name == caller.user


def grep_page(
    c: apsw.Connection, caller: Caller, uri: Uri, literal: str, fold: bool, depth_max: int, after: int, limit: int
) -> tuple[list[tuple[Node, bytes | None]], int]:
    """One slice of ``ports.ledger.Tree.grep_candidates`` (None for bytes in the blob store), and the id up to which it has
    looked, 0 at the end. A slice is bounded by what it looks at, whether or not it finds anything."""
    top = stat(c, caller, uri)
    if not top.is_dir:
        return ([(top, content(c, top))] if top.id > after else []), 0
    if is_message_uri(uri):
        page, seen = _message_page(c, caller, uri, after, limit)
        wanted = True
    else:
        page, seen = _file_page(c, caller, uri, literal, fold, after, limit)
        wanted = not literal.isascii()
    inside = _under(c, caller, uri, depth_max, page)
    found = [(n, data) for n, data in inside if not (literal and wanted and _lacks_literal(data, literal, fold))]
    return found, seen


def _lacks_literal(data: bytes | None, literal: str, fold: bool) -> bool:
    """True when bytes certainly do not hold the literal; in another encoding than UTF-8 or escaped it looks different."""
    if data is None or literal.encode() in (data.lower() if fold else data) or b"\x1b" in data or b"\\u" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _under(
    c: apsw.Connection, caller: Caller, uri: Uri, depth_max: int, page: list[Scanned]
) -> Iterator[tuple[Node, bytes | None]]:
    paths = rows.PathResolver(c, caller.account)
    depth, kind = len(uri.parts), Kind.MESSAGE if is_message_uri(uri) else Kind.FILE
    for id_, parent, name, data, size, hash_ in page:
        above = paths.of(parent)
        if above is None or above[:depth] != uri.parts or len(above) - depth >= depth_max or name.startswith("."):
            continue
        at = Uri((*above, name))
        if rows.may_see(caller, at):
            yield Node(id_, at, kind, size=size, hash=hash_, source=NO_SOURCE), data


def is_message_uri(uri: Uri) -> bool:
    """True below a session's directory of messages."""
    p = uri.parts
    return len(p) > 4 and p[0] == "user" and p[2] == "sessions" and p[4] == "messages"


def _message_page(c: apsw.Connection, caller: Caller, uri: Uri, after: int, limit: int) -> tuple[list[Scanned], int]:
    """Messages as their pages read: a match may lie in the line that names the speaker."""
    most = min(limit, SCANNED_MESSAGES)
    found = fetch_all(
        c,
        f"SELECT n.id, n.parent, n.name, n.gone, {message_rows.COLUMNS} FROM message m CROSS JOIN node n ON n.id = m.node "
        "WHERE m.session = ? AND m.ordinal > coalesce((SELECT ordinal FROM message WHERE node = ?), -1) "
        "ORDER BY m.ordinal LIMIT ?",
        (rows.find(c, caller.account, Uri(uri.parts[:4])), after, most),
    )
    pages = [(v[:3], message_page(message_rows.message_from(v[4:], uri)).encode()) for v in found if not v[3]]
    page: list[Scanned] = [(id_, parent, name, data, len(data), "") for (id_, parent, name), data in pages]
    return page, found[-1][0] if len(found) == most else 0


def _file_page(
    c: apsw.Connection, caller: Caller, uri: Uri, literal: str, fold: bool, after: int, limit: int
) -> tuple[list[Scanned], int]:
    user = rows.partition_key(uri) if len(uri.parts) > 1 or uri.parts == ("resources",) else None
    # The plus keeps SQLite from sorting all files of a partition for every page: it goes on by id from the last one.
    inside = "" if user is None else " AND +n.owner = :owner"
    values = {
        "after": after,
        "to": after + SCANNED_NODES,
        "literal": literal if fold else literal.encode(),
        "owner": rows.partition_of(c, caller.account, user or ""),
    }
    which = f"n.id > :after AND n.id <= :to AND n.kind = 1 AND n.gone = 0 AND {TEXTUAL}{inside}"
    sizes = fetch_all(
        c, f"SELECT n.id, n.size FROM node n WHERE {which} ORDER BY n.id LIMIT :limit", values | {"limit": limit}
    )
    taken = _fitting(sizes)
    if taken < len(sizes) or len(sizes) == limit:
        seen = values["to"] = sizes[taken - 1][0]
    else:
        (newest,) = fetch_one(c, "SELECT coalesce(max(id), 0) FROM node")
        seen = values["to"] if newest > values["to"] else 0
    hit = ""
    if literal and literal.isascii():
        # A blob outside the ledger cannot be looked into here, nor UTF-16: they are always candidates.
        hit = (
            f" AND (b.data IS NULL OR instr({'lower(b.data)' if fold else 'b.data'}, :literal) "
            "OR substr(b.data, 1, 2) IN (x'fffe', x'feff'))"
        )
    page = fetch_all(
        c,
        "SELECT n.id, n.parent, n.name, b.data, n.size, n.hash FROM node n LEFT JOIN blob b ON b.hash = n.hash "
        f"WHERE {which}{hit} ORDER BY n.id",
        values,
    )
    return page, seen


def _fitting(sizes: list[tuple[int, int]]) -> int:
    """How many of the first files one slice may read: one at least, whatever its size."""
    left = SCANNED_BYTES
    for taken, (_, size) in enumerate(sizes):
        if taken and size > left:
            return taken
        left -= size
    return len(sizes)


def count_entries(c: apsw.Connection, caller: Caller, uri: Uri) -> int:
    node = stat(c, caller, uri)
    if not node.is_dir:
        return 0
    if rows.namespace_children(uri, caller) or (caller.peer and uri.parts == ("user", caller.user, "peers")):
        return len(_entries(c, caller, node, NAMESPACE_MAX, False))
    (found,) = fetch_one(
        c,
        "SELECT count(*) FROM node n WHERE n.parent = ? AND n.gone = 0 AND NOT (n.name LIKE '.%' AND n.kind <> 0) "
        "AND NOT (? AND n.name = 'messages')",
        (node.id, rows.is_hidden_messages(uri, "messages")),
    )
    return int(found)
