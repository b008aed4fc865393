"""What every write shares: caller, time and cause; the log; directories created on the way."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import apsw

from recalld.adapters.sqlite.database.sql import deepest_node
from recalld.domain.caller import Caller
from recalld.domain.document import Tiers
from recalld.domain.errors import Conflict
from recalld.domain.node import Node
from recalld.domain.session import Session
from recalld.domain.uri import Uri

from . import rows
from .rows import DIRECTORY, Row


@dataclass(slots=True)
class CommitResult:
    """What a commit has done so far."""

    first: int = 0
    seq: int = 0
    created: list[Uri] = field(default_factory=list)
    updated: list[Uri] = field(default_factory=list)
    unchanged: list[Uri] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    removed: int = 0
    stale: int = 0
    messages_added: int = 0
    messages_seen: int = 0
    session: Session | None = None
    archive: int = 0
    archived: int = 0
    jobs_changed: bool = False


@dataclass(slots=True)
class WriteTx:
    """One commit in progress on the writer's connection."""

    c: apsw.Connection
    caller: Caller
    at: float
    cause: str
    result: CommitResult = field(default_factory=CommitResult)
    _partitions: dict[tuple[str, str], int] = field(default_factory=dict)

    def log(self, op: str, node: int, uri: Uri, before: str = "", after: str = "", detail: Any = None) -> int:
        """Append a log entry; returns its sequence number."""
        self.c.execute(
            "INSERT INTO log (at, account, actor, op, node, uri, before, after, cause, detail, txn) "
            "VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (
                self.at, self.caller.account, self.caller.user, op, node, str(uri), before, after, self.cause,
                "" if detail is None else json.dumps(detail, ensure_ascii=False), self.result.first,
            ),
        )  # fmt: skip
        self.result.seq = self.c.last_insert_rowid()
        self.result.first = self.result.first or self.result.seq
        return self.result.seq

    def partition_id(self, uri: Uri) -> int:
        """Id of the partition of an address, made if it is new."""
        key = (self.caller.account, rows.partition_key(uri))
        found = self._partitions.get(key) or rows.partition_of(self.c, *key)
        if not found:
            self.c.execute("INSERT INTO owner (account, user) VALUES (?, ?)", key)
            found = self.c.last_insert_rowid()
        self._partitions[key] = found
        return found

    def remember_partition(self, uri: Uri, partition_id: int) -> None:
        """Cache the partition of an address, where an earlier query returned it (0: it did not)."""
        self._partitions[self.caller.account, rows.partition_key(uri)] = partition_id

    def insert(self, parent: int, uri: Uri, kind: int, **values: Any) -> int:
        """Add a node with its log entry; returns its id. ``values``: further columns."""
        columns = {"hash": "", "size": 0, "media": "", "created": self.at, "updated": self.at, **values}
        names = ", ".join(columns)
        name = uri.name or self.caller.account
        # Its seq is that of the next log entry: there is only one writer.
        self.c.execute(
            f"INSERT INTO node (parent, name, kind, owner, {names}, seq) VALUES ({'?,' * (4 + len(columns))}"
            "1 + coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'log'), 0))",
            (parent, name, kind, self.partition_id(uri), *columns.values()),
        )
        node = self.c.last_insert_rowid()
        self.log("create", node, uri, after=str(columns["hash"]), detail={"parent": parent, "name": name, "kind": kind})
        return node

    def directory(self, uri: Uri) -> int:
        """Id of the directory at an address, created with all missing parents. Raises ``Conflict`` on a file."""
        at, depth, kind = deepest_node(self.c, self.caller.account, uri.parts) or (self._account_root(), 0, DIRECTORY)
        here = Uri(uri.parts[:depth])
        if kind != DIRECTORY:
            raise Conflict(f"{here} is a file", remedy="choose another name", code="FAILED_PRECONDITION")
        for name in uri.parts[depth:]:
            here = Uri((*here.parts, name))
            found = rows.child(self.c, at, name)  # made a moment ago, with what is above it
            if found is not None:
                at = found.id
                continue
            parent, at = at, self.insert(at, here, DIRECTORY)
            self._create_user_dirs(here, at)
            self.mark_stale(at, here)
            self.mark_stale(parent, here.parent)
        return at

    def _account_root(self) -> int:
        root = self.insert(0, Uri(), DIRECTORY)
        for name in rows.SCOPES:
            self.insert(root, Uri((name,)), DIRECTORY)
        return root

    def _create_user_dirs(self, uri: Uri, node: int) -> None:
        """A new user's tree has its areas from the start."""
        if len(uri.parts) == 2 and uri.parts[0] == "user":
            for name in rows.USER_DIRS:
                self.insert(node, uri / name, DIRECTORY)

    def mark_stale(self, node: int, uri: Uri) -> None:
        """Mark a directory's tiers as outdated. Lists of users, sessions and private directories have no tiers."""
        if rows.has_tiers(uri.parts):
            self.c.execute("UPDATE node SET stale = max(stale, ?) WHERE id = ?", (max(self.result.seq, 1), node))

    def set_tier(self, node: int, version: int, tiers: Tiers) -> None:
        """Store a node's L0 and L1."""
        self.c.execute(
            "INSERT OR REPLACE INTO tier (node, version, abstract, overview, made_by) VALUES (?,?,?,?,?)",
            (node, version, tiers.abstract, tiers.overview, tiers.made_by),
        )

    def bump_epoch(self, *partitions: int) -> None:
        """Invalidate the caches of these partitions."""
        for partition_id in set(partitions):
            self.c.execute("UPDATE owner SET epoch = epoch + 1 WHERE id = ?", (partition_id,))


def required(tx: WriteTx, uri: Uri) -> Row:
    """The living node at an address. Raises ``NotFound``."""
    found = existing(tx, uri)
    if found is None:
        raise rows.missing(uri)
    return found


def existing(tx: WriteTx, uri: Uri) -> Row | None:
    """The living node at an address."""
    node = rows.find(tx.c, tx.caller.account, uri)
    return rows.row(tx.c, node) if node else None
