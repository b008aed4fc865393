"""Rows of the tree: finding nodes by address, addresses by node, and the namespace every account has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import apsw
import orjson

from recalld.adapters.sqlite.database.sql import fetch_one, node_at
from recalld.domain.caller import Caller
from recalld.domain.document import Tiers
from recalld.domain.errors import Denied, NotFound
from recalld.domain.node import Kind, Node
from recalld.domain.uri import Uri

KINDS = (Kind.DIRECTORY, Kind.FILE, Kind.MESSAGE)
DIRECTORY, FILE, MESSAGE = 0, 1, 2
SCOPES = ("resources", "agent", "user")
USER_DIRS = ("memories", "resources", "skills", "peers", "privacy", "sessions")
COLUMNS = (
    "n.id, n.name, n.kind, n.version, n.size, n.hash, n.media, n.created, n.updated, n.tags, n.source, "
    "coalesce(t.abstract, '')"
)
SELECT_NODE = f"SELECT {COLUMNS} FROM node n LEFT JOIN tier t ON t.node = n.id"


@dataclass(frozen=True, slots=True)
class Row:
    """The columns of a node that writing needs."""

    id: int
    parent: int
    kind: int
    partition_id: int
    version: int
    hash: str
    source: str
    tags: str


def child(c: apsw.Connection, parent: int, name: str) -> Row | None:
    """A living entry of a directory."""
    found = c.execute(
        "SELECT id, parent, kind, owner, version, hash, source, tags FROM node WHERE parent = ? AND name = ? AND gone = 0",
        (parent, name),
    ).fetchone()
    return Row(*found) if found else None


def find(c: apsw.Connection, account: str, uri: Uri) -> int:
    """Id of the node at an address, 0 if there is none."""
    return node_at(c, account, uri.parts)


def row(c: apsw.Connection, node: int) -> Row | None:
    """A node by id, gone or not."""
    found = c.execute(
        "SELECT id, parent, kind, owner, version, hash, source, tags FROM node WHERE id = ?", (node,)
    ).fetchone()
    return Row(*found) if found else None


def node_from(values: tuple[Any, ...], uri: Uri) -> Node:
    """A ``Node`` from the columns of ``SELECT_NODE``."""
    id_, _, kind, version, size, hash_, media, created, updated, tags, source, abstract = values
    return Node(
        id_,
        uri,
        KINDS[kind],
        version,
        size,
        hash_,
        media,
        created,
        updated,
        abstract,
        () if tags == "[]" else tuple(orjson.loads(tags)),
        {} if source == "{}" else orjson.loads(source),
    )


def load(c: apsw.Connection, node: int, uri: Uri) -> Node:
    """The node with this id."""
    values = c.execute(f"{SELECT_NODE} WHERE n.id = ?", (node,)).fetchone()
    if values is None:
        raise missing(uri)
    return node_from(values, uri)


def tiers(c: apsw.Connection, node: int) -> Tiers | None:
    """A node's L0 and L1, None if it has none."""
    found = c.execute("SELECT abstract, overview, made_by FROM tier WHERE node = ?", (node,)).fetchone()
    return Tiers(*found) if found else None


_ABOVE = """
WITH RECURSIVE up(id, parent, name, gone) AS (
  SELECT id, parent, name, gone FROM node WHERE id = ?
  UNION ALL SELECT n.id, n.parent, n.name, n.gone FROM up JOIN node n ON n.id = up.parent)
SELECT json_group_array(json_array(id, parent, name, gone)) FROM up"""


class PathResolver:
    """Addresses of living nodes of one account, resolved upwards and cached for the length of one call."""

    def __init__(self, c: apsw.Connection, account: str) -> None:
        self._c = c
        self._account = account
        # Above every account's root is 0, which belongs to no account.
        self._known: dict[int, tuple[str, ...] | None] = {0: None}

    def of(self, node: int) -> tuple[str, ...] | None:
        """Segments from the account's root; None if the node or one of its ancestors is removed or in another account."""
        if node in self._known:
            return self._known[node]
        above = {id_: place for id_, *place in orjson.loads(fetch_one(self._c, _ABOVE, (node,))[0])}
        chain: list[tuple[int, str]] = []
        at = node
        while at not in self._known:
            parent, name, gone = above.get(at, (0, "", 1))
            if gone or (parent == 0 and name == self._account):
                self._known[at] = None if gone else ()
                break
            chain.append((at, name))
            at = parent
        path = self._known[at]
        for id_, name in reversed(chain):
            path = None if path is None else (*path, name)
            self._known[id_] = path
        return path


def partition_key(uri: Uri) -> str:
    """The user in whose partition an address lies; "" for what the account shares."""
    return uri.parts[1] if len(uri.parts) > 1 and uri.parts[0] == "user" else ""


def is_private(parts: Sequence[str]) -> bool:
    """True for ``user/{uid}/privacy`` and everything below, which no search may return."""
    return len(parts) > 2 and parts[0] == "user" and parts[2] == "privacy"


def has_tiers(parts: Sequence[str]) -> bool:
    """True for directories that are summarised: what lists users, sessions and what is private are not."""
    sessions = parts[:1] == ("user",) and "sessions" in parts[2:3]
    return bool(parts) and parts != ("user",) and not sessions and not is_private(parts)


def partition_of(c: apsw.Connection, account: str, user: str) -> int:
    """Id of a partition, 0 if it has none yet."""
    found = c.execute("SELECT id FROM owner WHERE account = ? AND user = ?", (account, user)).fetchone()
    return int(found[0]) if found else 0


def may_see(caller: Caller, uri: Uri) -> bool:
    """False for another user's tree (unless the caller is root) and for what a peer's view hides."""
    return (caller.sees_all or partition_key(uri) in {"", caller.user}) and not caller.hides(uri.parts)


def check_access(caller: Caller, uri: Uri) -> None:
    """Refuse another user's tree. Raises ``Denied``; ``NotFound`` for another peer's, which this view does not show."""
    if caller.hides(uri.parts):
        raise missing(uri)
    if not may_see(caller, uri):
        raise Denied(
            f"{uri} belongs to another user", remedy="use viking://~ for your own tree", details={"uri": str(uri)}
        )


def check_no_hidden_peers(caller: Caller, uri: Uri) -> None:
    """Refuse a change to a directory that holds entries a peer's view hides. Raises ``Denied``."""
    if caller.peer and uri.parts in {("user", caller.user), ("user", caller.user, "peers")}:
        raise Denied(
            f"{uri} holds other peers' trees, which the view of {caller.peer} does not show",
            remedy="leave X-OpenViking-Actor-Peer out, or name what is below it",
            details={"uri": str(uri)},
        )


def is_namespace(uri: Uri, caller: Caller) -> bool:
    """True for directories that exist even before anything was written. Of other users only what was written exists."""
    p = uri.parts
    if len(p) < 2:
        return not p or p[0] in SCOPES
    return p[:2] == ("user", caller.user) and (len(p) == 2 or (len(p) == 3 and p[2] in USER_DIRS))


def namespace_children(uri: Uri, caller: Caller) -> tuple[str, ...]:
    """What a namespace directory shows before anything was written in it."""
    if not uri.parts:
        return SCOPES
    if uri.parts == ("user",):
        return (caller.user,)
    return USER_DIRS if uri.parts == ("user", caller.user) else ()


def is_hidden_messages(uri: Uri, name: str) -> bool:
    """True for a session's directory of messages as an entry of ``uri``."""
    p = uri.parts
    return name == "messages" and len(p) == 4 and p[0] == "user" and p[2] == "sessions"


def missing(uri: Uri, what: str = "file") -> NotFound:
    """The wire's NOT_FOUND."""
    return NotFound(
        f"{what.capitalize()} not found: {uri}", remedy="list its parent", details={"type": what, "resource": str(uri)}
    )
