"""Resolves a query to partitions, subtrees and rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recalld.domain.caller import Caller
from recalld.domain.errors import Denied
from recalld.domain.node import ContextType
from recalld.domain.query import Query, TimeRange
from recalld.domain.uri import Uri

from .arrays import Ids
from .partition_index import MEMORIES, SKILLS, PartitionIndex


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
