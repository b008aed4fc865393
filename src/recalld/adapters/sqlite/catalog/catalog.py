"""The catalog on SQLite: numeric columns in memory, updated by sequence number; addresses are read for hits only."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import apsw
import numpy as np
from numpy.typing import NDArray

from recalld.adapters.sqlite.database.sql import fetch_one, node_at
from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid
from recalld.domain.query import Query
from recalld.domain.uri import Uri
from recalld.infra.coalesce import Coalescer
from recalld.ports.index import FULL_SCORING_ROWS_MAX, ChunkTable, HitRecord, Ids, SearchScope
from recalld.rules.address import document_at

from .change_feed import PartitionRow, anchored_parents, chunks_after, existing_nodes, nodes_after, partitions_of
from .hydrate import hydrate
from .partition_index import Chunks, PartitionIndex
from .scope import Area, Resolved, areas_of, rows_of
from .table import ReadingOrder, empty_table, reading_order_of, table_of, with_neighbours

T = TypeVar("T")
_IMPORTED = "SELECT kind = 1 AND coalesce(json_extract(source, '$.path'), '') <> '' FROM node WHERE id = ?"
ROWS_MAX = 4_000_000
PARTITION_ROWS = 200
"""Fixed memory of a partition, in rows."""
PAGES_AT_ONCE = 16
"""Read by one call of a reader thread, about 50 ms: other calls share the thread."""
SCOPES_MAX = 256
SCOPE_ROWS_MAX = 500_000
"""Rows of all cached scopes: about 50 MB. A context block resolves several small ones per user."""


class Reader(Protocol):
    """The store's bounded reader connections."""

    async def read(self, fn: Callable[[apsw.Connection], T]) -> T:
        """Run ``fn`` on a reader connection inside one read transaction."""
        ...


@dataclass(frozen=True, slots=True)
class _ScopeRequest:
    """A caller and a query without its text: what a scope depends on."""

    caller: Caller
    query: Query
    areas: tuple[Area, ...]


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class _ScopeSnapshot:
    """The data of a scope: chunks and rows per partition, the whole table if it is small enough to be scored in full, and
    the reading orders of its rows once they are needed.

    Scopes reference their snapshot, never the reverse: a cycle would keep megabytes alive until the next GC. Snapshots
    are cached by the identity of their ``partitions``, so they hold references to them.
    """

    partitions: tuple[PartitionIndex, ...]
    stamps: tuple[int, ...]
    chunks: tuple[Chunks, ...]
    rows: tuple[NDArray[np.int64], ...]
    table: ChunkTable | None
    reading_orders: list[ReadingOrder] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Rows in scope."""
        return sum(len(rows) for rows in self.rows)

    def part(self, ids: Ids, around: int) -> ChunkTable:
        """Return a table of the given chunks in scope, with their neighbours. Reads every row in scope: not for the event loop."""
        if not self.reading_orders:
            reading_orders = list(map(reading_order_of, self.chunks, self.rows))
            self.reading_orders[:] = reading_orders  # in one assignment: another thread may have computed them too
        return table_of(self.chunks, [with_neighbours(order, ids, around) for order in self.reading_orders])


class SqliteCatalog:
    """Caches at most ``rows_max`` rows of nodes and chunks, least recently used partition evicted first. At most half of a
    partition's rows are dead."""

    def __init__(self, store: Reader, *, rows_max: int = ROWS_MAX) -> None:
        self._store = store
        self._rows_max = rows_max
        self._partitions: OrderedDict[tuple[str, str], PartitionIndex] = OrderedDict()
        self._snapshots: OrderedDict[Any, tuple[_ScopeSnapshot, SearchScope]] = OrderedDict()
        self._scope_rows = 0
        self._rows = 0
        # One refresh at a time: partitions have one writer.
        self._coalescer = Coalescer(self._resolve_all)

    async def resolve_scope(self, caller: Caller, query: Query, *, linger_s: float = 0.0) -> SearchScope:
        """See ``ports.index.Catalog``. A missing target gives an empty scope."""
        if any(level not in (0, 1, 2) for level in query.levels):
            raise Invalid(f"level {query.levels} is unknown", remedy="use 0, 1 or 2", details={"field": "level"})
        # The scope does not depend on the text, so queries with the same filters share it.
        wanted = _ScopeRequest(caller, replace(query, text=""), areas_of(caller, query))
        return await self._coalescer.submit(wanted, linger_s=linger_s)

    async def table(self, scope: SearchScope, ids: Ids | None = None, *, around: int = 0) -> ChunkTable:
        """See ``ports.index.Catalog``."""
        snapshot = scope.token
        if not isinstance(snapshot, _ScopeSnapshot) or not snapshot.rows:
            return empty_table()
        if ids is not None:
            return await self._store.read(lambda _: snapshot.part(ids, around))
        if snapshot.table is not None:
            return snapshot.table
        return await self._store.read(lambda _: table_of(snapshot.chunks, snapshot.rows))

    async def hydrate(self, scope: SearchScope, nodes: Sequence[int], *, tiers: bool = True) -> list[HitRecord]:
        """See ``ports.index.Catalog``."""
        return await self._store.read(lambda c: hydrate(c, nodes, tiers=tiers)) if nodes else []

    # ------------------------------------------------------------------ inside
    async def _resolve_all(self, wanted: Sequence[_ScopeRequest]) -> list[SearchScope]:
        """Resolve all waiting requests in one read, or in a few if much has changed. Each partition is refreshed once, and each
        snapshot is built once."""

        def pull(c: apsw.Connection) -> list[SearchScope] | None:
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
                self._drop_snapshots(partition)
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
        self._drop_snapshots(partition)

    def _drop_snapshots(self, partition: PartitionIndex) -> None:
        """Drop the snapshots of a partition: they would keep its memory alive."""
        for key in [
            key
            for key, (snapshot, _) in self._snapshots.items()
            if any(each is partition for each in snapshot.partitions)
        ]:
            self._scope_rows -= self._snapshots.pop(key)[0].size

    def _scope(self, wanted: _ScopeRequest, parts: list[tuple[PartitionIndex, Resolved]]) -> SearchScope:
        caller, query = wanted.caller, wanted.query
        key = (
            tuple((id(s), r) for s, r in parts), query.types, query.levels, query.tags, query.times,
            query.messages, caller.peer, any(t.parts for t in query.targets),
        )  # fmt: skip
        stamps = tuple(s.stamp for s, _ in parts)
        snapshot, scope = self._snapshots.get(key, (None, None))
        if snapshot is None or scope is None or snapshot.stamps != stamps:
            self._scope_rows -= snapshot.size if snapshot is not None else 0
            snapshot = _snapshot_of(caller, query, parts, stamps)
            scope = _scope_of(snapshot, query)
            self._snapshots[key] = (snapshot, scope)
            self._scope_rows += snapshot.size
        self._snapshots.move_to_end(key)
        while len(self._snapshots) > 1 and (len(self._snapshots) > SCOPES_MAX or self._scope_rows > SCOPE_ROWS_MAX):
            self._scope_rows -= self._snapshots.popitem(last=False)[1][0].size
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


def _snapshot_of(
    caller: Caller, query: Query, parts: list[tuple[PartitionIndex, Resolved]], stamps: tuple[int, ...]
) -> _ScopeSnapshot:
    keep: dict[int, NDArray[np.bool_]] = {}
    partitions: dict[int, PartitionIndex] = {}
    for partition, resolved in parts:
        mask = rows_of(partition, resolved, query, caller)
        partition_id = partition.row.id
        keep[partition_id] = mask if partition_id not in keep else keep[partition_id] | mask
        partitions[partition_id] = partition
    rows = tuple(np.flatnonzero(keep[id_]) for id_ in partitions)
    chunks = tuple(partition.view() for partition in partitions.values())
    small = sum(map(len, rows)) <= FULL_SCORING_ROWS_MAX
    return _ScopeSnapshot(tuple(partitions.values()), stamps, chunks, rows, table_of(chunks, rows) if small else None)


def _scope_of(snapshot: _ScopeSnapshot, query: Query) -> SearchScope:
    return SearchScope(
        partition_ids=tuple(s.row.id for s in snapshot.partitions),
        chunks=tuple(view.columns["id"][r] for view, r in zip(snapshot.chunks, snapshot.rows, strict=True)),
        partitions=snapshot.partitions,
        seq=max((s.seq for s in snapshot.partitions), default=0),
        targeted=any(t.parts for t in query.targets),
        token=snapshot,
    )


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
