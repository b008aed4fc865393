"""The scope of a search: resolves a query's filters to areas, and these to the rows of each partition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recalld.domain.caller import Caller
from recalld.domain.errors import Denied
from recalld.domain.node import ContextType
from recalld.domain.query import Query, TimeRange
from recalld.domain.uri import Uri
from recalld.ports.index import CandidateRows, Ids

from .partition_index import MEMORIES, SKILLS, Chunks, PartitionIndex
from .table import ReadingOrder, reading_order_of, table_of, with_neighbours


@dataclass(frozen=True, slots=True)
class Area:
    """A query's part in one partition. ``tops`` (): the whole partition; ``messages_only``: the target is inside sessions."""

    user: str
    tops: tuple[Uri, ...] = ()
    messages_only: bool = False


@dataclass(frozen=True, slots=True)
class Resolved:
    """An area with its addresses as node ids. Missing addresses are left out."""

    area: Area
    tops: tuple[int, ...]
    peers_hidden: tuple[int, ...]
    session: int


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Scope:
    """The chunks a query may find. Queries with the same filters share it until a partition changes.

    ``partitions``: they keep following the store; ``stamps``: theirs when the scope was resolved, ``seq``: the log position
    it reflects. Per partition, ``chunks``: a view of all; ``rows``/``ids``: ascending rows and ids of those in scope, which
    are current, visible, and what the query's filters let through. ``table``: all rows, if they are few enough to be scored
    in full. ``reading_orders``: those of the rows, once they are needed.
    """

    partitions: tuple[PartitionIndex, ...]
    stamps: tuple[int, ...]
    seq: int
    chunks: tuple[Chunks, ...]
    rows: tuple[NDArray[np.int64], ...]
    ids: tuple[Ids, ...]
    table: CandidateRows | None
    reading_orders: list[ReadingOrder] = field(default_factory=list)

    @property
    def partition_ids(self) -> tuple[int, ...]:
        """The partitions to search."""
        return tuple(partition.row.id for partition in self.partitions)

    @property
    def size(self) -> int:
        """Number of chunks in scope."""
        return sum(map(len, self.rows))

    def table_around(self, ids: Ids, around: int) -> CandidateRows:
        """Return a table of those of these chunks that are in scope, with their neighbours. Reads every row in scope: not for
        the event loop."""
        if not self.reading_orders:
            reading_orders = list(map(reading_order_of, self.chunks, self.rows))
            self.reading_orders[:] = reading_orders  # in one assignment: another thread may have computed them too
        return table_of(self.chunks, [with_neighbours(order, ids, around) for order in self.reading_orders])


def scope_of(
    caller: Caller, query: Query, parts: Sequence[tuple[PartitionIndex, Resolved]], *, full_rows_max: int
) -> Scope:
    """Return the scope of a query. ``parts``: its areas and the partition of each."""
    keep: dict[int, NDArray[np.bool_]] = {}
    by_id: dict[int, PartitionIndex] = {}
    for partition, resolved in parts:
        mask = rows_of(partition, resolved, query, caller)
        partition_id = partition.row.id
        keep[partition_id] = mask if partition_id not in keep else keep[partition_id] | mask
        by_id[partition_id] = partition
    partitions = tuple(by_id.values())
    rows = tuple(np.flatnonzero(keep[partition_id]) for partition_id in by_id)
    chunks = tuple(partition.view() for partition in partitions)
    return Scope(
        partitions=partitions,
        stamps=tuple(partition.stamp for partition, _ in parts),
        seq=max((partition.seq for partition in partitions), default=0),
        chunks=chunks,
        rows=rows,
        ids=tuple(view.columns["id"][r] for view, r in zip(chunks, rows, strict=True)),
        table=table_of(chunks, rows) if sum(map(len, rows)) <= full_rows_max else None,
    )


def areas_of(caller: Caller, query: Query) -> tuple[Area, ...]:
    """Return the areas of a query. Without a target, or for the root: the caller's tree and the account's resources.

    Raises ``Denied`` for another user's tree unless the caller is root.
    """
    targets = [t for t in query.targets if t.parts]
    if not targets:
        return Area(caller.user), Area("", (Uri(("resources",)),))
    found: list[Area] = []
    for target in targets:
        parts = target.parts
        if parts[0] != "user":
            found.append(Area("", (target,)))
            continue
        if len(parts) == 1:
            found.append(Area(caller.user))
            continue
        if parts[1] != caller.user and not caller.sees_all:
            raise Denied(f"{target} belongs to another user", remedy="search below viking://~ or viking://resources")
        found.append(Area(parts[1], (target,) if len(parts) > 2 else (), len(parts) > 2 and parts[2] == "sessions"))
    return tuple(found)


def rows_of(partition: PartitionIndex, resolved: Resolved, query: Query, caller: Caller) -> NDArray[np.bool_]:
    """Return which of a partition's chunks this query may find."""
    nodes, at = partition.nodes, partition.chunks["node_row"]
    keep = partition.alive & np.isin(partition.chunks["level"], query.levels or (2,))
    if resolved.area.tops:
        keep &= partition.below(np.array(resolved.tops, np.int64))[at]
    message = nodes["kind"][at] == 2
    if resolved.area.messages_only:
        keep &= message
    if not query.messages and not resolved.area.messages_only:
        keep &= ~message
    elif resolved.session:
        keep &= ~(message & partition.below(np.array([resolved.session], np.int64))[at])
    if resolved.peers_hidden:
        keep &= ~partition.below(np.array(resolved.peers_hidden, np.int64))[at]
    if query.types:
        keep &= _of_types(nodes["bits"][at], message, query.types)
    if query.tags:
        keep &= np.isin(partition.chunks["node"], _tagged(partition, query.tags))
    for span in query.times:
        keep &= _in_time(partition, span)
    return keep


def _of_types(bits: NDArray[np.uint8], message: NDArray[np.bool_], types: tuple[ContextType, ...]) -> NDArray[np.bool_]:
    memory = message | ((bits & MEMORIES) > 0)
    skill = ~memory & ((bits & SKILLS) > 0)
    keep = np.zeros(len(bits), np.bool_)
    for wanted in types:
        keep |= {ContextType.MEMORY: memory, ContextType.SKILL: skill}.get(wanted, ~memory & ~skill)
    return keep


def _tagged(partition: PartitionIndex, tags: tuple[str, ...]) -> Ids:
    wanted = frozenset(tags)
    return np.array([node for node, node_tags in partition.tags.items() if wanted <= node_tags], np.int64)


def _in_time(partition: PartitionIndex, span: TimeRange) -> NDArray[np.bool_]:
    """Compare a message's own time, and the requested time of a file's node."""
    at = partition.chunks["node_row"]
    column = "created" if span.field == "created_at" else "updated"
    when = np.where(partition.nodes["kind"][at] == 2, partition.chunks["at"], partition.nodes[column][at])
    return (when >= span.since) & (when <= span.until)
