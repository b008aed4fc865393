"""The catalog: numeric columns of nodes and chunks in memory, updated by sequence number, to resolve scopes with."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import apsw

from recalld.adapters.sqlite.database.readers import Readers
from recalld.adapters.sqlite.database.sql import fetch_one, node_at
from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid
from recalld.domain.query import Query
from recalld.domain.uri import Uri
from recalld.infra.coalesce import Coalescer
from recalld.rules.address import document_at

from .change_feed import PartitionRow, anchored_parents, chunks_after, existing_nodes, nodes_after, partitions_of
from .partition_index import PartitionIndex
from .scope import Area, Resolved, Scope, areas_of, scope_of

_IMPORTED = "SELECT kind = 1 AND coalesce(json_extract(source, '$.path'), '') <> '' FROM node WHERE id = ?"
PARTITION_ROWS = 200
"""Fixed memory of a partition, in rows."""
PAGES_AT_ONCE = 16
"""Read by one call of a reader thread, about 50 ms: other calls share the thread."""
SCOPES_MAX = 256
SCOPE_ROWS_MAX = 500_000
"""Rows of all cached scopes: about 50 MB. A context block resolves several small ones per user."""


@dataclass(frozen=True, slots=True)
class _ScopeRequest:
    """A caller and a query without its text: what a scope depends on."""

    caller: Caller
    query: Query
    areas: tuple[Area, ...]


class Catalog:
    """Caches at most ``rows_max`` rows of nodes and chunks, least recently used partition evicted first. At most half of a
    partition's rows are dead."""

    def __init__(self, store: Readers, *, rows_max: int, full_rows_max: int) -> None:
        self._store = store
        self._rows_max = rows_max
        self._full_rows_max = full_rows_max
        self._partitions: OrderedDict[tuple[str, str], PartitionIndex] = OrderedDict()
        self._scopes: OrderedDict[Any, Scope] = OrderedDict()
        self._scope_rows = 0
        self._rows = 0
        # One refresh at a time: partitions have one writer.
        self._coalescer = Coalescer(self._resolve_all)

    async def resolve_scope(self, caller: Caller, query: Query, *, linger_s: float) -> Scope:
        """Return the scope of a query, as of now. A missing target gives an empty one."""
        if any(level not in (0, 1, 2) for level in query.levels):
            raise Invalid(f"level {query.levels} is unknown", remedy="use 0, 1 or 2", details={"field": "level"})
        # The scope does not depend on the text, so queries with the same filters share it.
        wanted = _ScopeRequest(caller, replace(query, text=""), areas_of(caller, query))
        return await self._coalescer.submit(wanted, linger_s=linger_s)

    # ------------------------------------------------------------------ inside
    async def _resolve_all(self, wanted: Sequence[_ScopeRequest]) -> list[Scope]:
        """Resolve all waiting requests in one read, or in a few if much has changed. Each partition is refreshed once, and each
        snapshot is built once."""

        def pull(c: apsw.Connection) -> list[Scope] | None:
            partitions = self._refresh(c, {(w.caller.account, area.user) for w in wanted for area in w.areas})
            if partitions is None:
                return None
            scopes = {w: self._scope(w, _parts(c, w, partitions)) for w in dict.fromkeys(wanted)}
            return [scopes[w] for w in wanted]

        while (found := await self._store.read(pull)) is None:
            pass
        return found

    def _refresh(self, c: apsw.Connection, users: set[tuple[str, str]]) -> dict[tuple[str, str], PartitionIndex] | None:
        """Return the users' partitions as this transaction sees them; None if there is more to read than fits one read."""
        found: dict[tuple[str, str], PartitionIndex] = {}
        left = PAGES_AT_ONCE
        for user, row in partitions_of(c, list(users)).items():
            partition = found[user] = self._partition(user, row)
            before = partition.rows
            left = _apply_pages(c, partition, row, left)
            if left and not partition.is_current:
                _recompute(c, partition)
            if left and partition.is_mostly_dead:
                partition.compact(existing_nodes(c, partition.dead_nodes.tolist()))
                _recompute(c, partition)
                self._drop_scopes(partition)
            self._rows += partition.rows - before
        self._evict(len(found))
        return found if left else None

    def _partition(self, user: tuple[str, str], row: PartitionRow) -> PartitionIndex:
        partition = self._partitions.get(user)
        if partition is not None and (partition.row.epoch != row.epoch or partition.row.id != row.id):
            self._drop(self._partitions.pop(user))
            partition = None
        if partition is None:
            partition = self._partitions[user] = PartitionIndex(row)
            self._rows += PARTITION_ROWS
        self._partitions.move_to_end(user)
        partition.row = row
        return partition

    def _evict(self, wanted: int) -> None:
        """Evict the least recently used partitions, but none of the last ``wanted`` ones."""
        while self._rows > self._rows_max and len(self._partitions) > max(wanted, 1):
            self._drop(self._partitions.popitem(last=False)[1])

    def _drop(self, partition: PartitionIndex) -> None:
        self._rows -= partition.rows + PARTITION_ROWS
        self._drop_scopes(partition)

    def _drop_scopes(self, partition: PartitionIndex) -> None:
        """Drop the scopes of a partition: they would keep its memory alive."""
        for key in [key for key, scope in self._scopes.items() if any(each is partition for each in scope.partitions)]:
            self._scope_rows -= self._scopes.pop(key).size

    def _scope(self, wanted: _ScopeRequest, parts: list[tuple[PartitionIndex, Resolved]]) -> Scope:
        caller, query = wanted.caller, wanted.query
        # By identity of the partitions: a cached scope holds references to them.
        key = (
            tuple((id(s), r) for s, r in parts), query.types, query.levels, query.tags, query.times,
            query.messages, caller.peer,
        )  # fmt: skip
        scope = self._scopes.get(key)
        if scope is None or scope.stamps != tuple(s.stamp for s, _ in parts):
            self._scope_rows -= scope.size if scope is not None else 0
            scope = self._scopes[key] = scope_of(caller, query, parts, full_rows_max=self._full_rows_max)
            self._scope_rows += scope.size
        self._scopes.move_to_end(key)
        while len(self._scopes) > 1 and (len(self._scopes) > SCOPES_MAX or self._scope_rows > SCOPE_ROWS_MAX):
            self._scope_rows -= self._scopes.popitem(last=False)[1].size
        return scope


def _apply_pages(c: apsw.Connection, partition: PartitionIndex, row: PartitionRow, pages: int) -> int:
    """Read at most ``pages`` pages of changes. Returns how many are left, 0 if there may be more to read."""
    while pages and (partition.seq, partition.last_node) < (row.seq, row.node):
        page = nodes_after(c, row.id, partition.seq, partition.last_node)
        if page is None:
            break
        partition.apply_nodes(page)
        pages -= 1
    while pages and partition.last_chunk < row.chunk:
        more = chunks_after(c, row.id, partition.last_chunk)
        if more is None:
            break
        partition.apply_chunks(more)
        pages -= 1
    return pages


def _recompute(c: apsw.Connection, partition: PartitionIndex) -> None:
    partition.recompute(anchored_parents(c, partition.outside_parents()))
    partition.link_turns()


def _parts(
    c: apsw.Connection, wanted: _ScopeRequest, partitions: Mapping[tuple[str, str], PartitionIndex]
) -> list[tuple[PartitionIndex, Resolved]]:
    """Return the partitions of a request, and its area in each."""
    account = wanted.caller.account
    found = [(partitions.get((account, area.user)), area) for area in wanted.areas]
    return [
        (partition, _resolve(c, wanted.caller, wanted.query, area))
        for partition, area in found
        if partition is not None
    ]


def _resolve(c: apsw.Connection, caller: Caller, query: Query, area: Area) -> Resolved:
    def at(*parts: str) -> int:
        return node_at(c, caller.account, parts)

    hidden: tuple[int, ...] = ()
    if caller.peer and area.user == caller.user:
        peers = at("user", area.user, "peers")
        rows = c.execute("SELECT id FROM node WHERE parent = ? AND gone = 0 AND name <> ?", (peers, caller.peer))
        hidden = tuple(int(r[0]) for r in rows) if peers else ()
    session = at("user", area.user, "sessions", query.exclude_session) if query.exclude_session and area.user else 0
    tops = tuple(t for t in (at(*top.parts) or _document(c, caller, top) for top in area.tops) if t)
    return Resolved(area, tops, hidden, session)


def _document(c: apsw.Connection, caller: Caller, top: Uri) -> int:
    """Return the imported document that OpenViking stores at this otherwise empty address, 0 if there is none."""
    other = document_at(top)
    node = node_at(c, caller.account, other.parts) if other is not None else 0
    return node if node and fetch_one(c, _IMPORTED, (node,))[0] else 0
