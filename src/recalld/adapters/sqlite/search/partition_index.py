"""One partition of the index in memory: its tree as numbers, its chunks as columns."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .arrays import Column, Columns, Ids, propagate_flags, row_of
from .change_feed import ChunkPage, NodePage, PartitionRow

DEAD, MEMORIES, SKILLS, MARK = 1, 2, 4, 128
_FLAGS_BY_NAME = {"memories": MEMORIES, "skills": SKILLS}
_DIGITS = re.compile(r"\d+")
SPARE_ROWS = 1_000
"""Below this number of rows, dead ones are not looked for."""
_FOLDER_GROUP_OFFSET = 1 << 40
"""Added to the node id of a folder of turns, so that its group differs from all node ids."""


@dataclass(frozen=True, slots=True)
class Chunks:
    """A view of a partition's chunks: columns of one length, and speakers by number. Other threads may read it while the
    partition grows; later corrections (deletions, turn order) are visible through existing views."""

    columns: Mapping[str, Column]
    speakers: tuple[str, ...]


@dataclass
class PartitionIndex:
    """Updated page by page. ``stamp`` rises with every change; caches are keyed by it.

    ``alive``: which chunks are current; ``live_ids``: their ids. ``recompute`` replaces both, and looks at the new rows
    alone as long as no old row has changed.
    """

    row: PartitionRow
    nodes: Columns = field(
        default_factory=lambda: Columns(
            {"id": "i8", "parent": "i8", "kind": "i1", "gone": "i8", "version": "i8", "kept": "i1", "created": "f8",
             "updated": "f8", "own": "u1", "parent_row": "i4", "bits": "u1"}
        )
    )  # fmt: skip
    chunks: Columns = field(
        default_factory=lambda: Columns(
            {"id": "i8", "node": "i8", "version": "i8", "level": "i1", "kind": "i1", "length": "f4", "group": "i8",
             "previous": "i8", "at": "f8", "asks": "?", "traits": "i1", "speaker": "i4", "gone": "?", "node_row": "i4"}
        )
    )  # fmt: skip
    tags: dict[int, frozenset[str]] = field(default_factory=dict)
    turn_names: dict[int, str] = field(default_factory=dict)
    speakers: dict[str, int] = field(default_factory=dict)
    anchored: dict[int, bool] = field(default_factory=dict)
    live_ids: Ids = field(default_factory=lambda: np.zeros(0, np.int64))
    alive: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    seq: int = 0
    last_node: int = 0
    last_chunk: int = 0
    stamp: int = 0
    _linked_stamp: int = -1
    _computed_stamp: int = 0
    _computed: tuple[int, int] = (0, 0)
    """Rows of nodes and of chunks whose derived values are up to date."""
    _unfinished: tuple[int, int, int] = (-1, 0, 0)
    """The node whose chunks continue after the last page, its version, and the first of these chunks."""
    _checked_rows: int = 0
    """Number of rows at the last search for dead ones."""

    @property
    def rows(self) -> int:
        """Number of rows, for the memory budget."""
        return self.nodes.rows + self.chunks.rows

    @property
    def is_current(self) -> bool:
        """False after a change, until ``recompute`` has run."""
        return self._computed_stamp == self.stamp

    # ------------------------------------------------------------------ nodes
    def apply_nodes(self, page: NodePage) -> None:
        """Add and update nodes. Parents may come after their children; ``recompute`` links them."""
        columns = page.columns
        ids = columns["id"].astype(np.int64)
        own = np.where(columns["gone"] > 0, DEAD, 0).astype(np.uint8)
        for name, members in page.named.items():
            own[np.isin(ids, members)] |= _FLAGS_BY_NAME[name]
        row = row_of(self.nodes["id"], ids)
        old, new = np.flatnonzero(row >= 0), np.flatnonzero(row < 0)
        for name in ("parent", "kind", "gone", "version", "kept", "created", "updated"):
            self.nodes[name][row[old]] = columns[name][old]
        self.nodes["own"][row[old]] = own[old]
        if len(old):
            self._computed = (0, 0)
        for node in ids[old].tolist():
            self.tags.pop(node, None)
            self.turn_names.pop(node, None)
        if len(listed := ids[columns["kept"] > 0]):
            # Their chunks stay current whatever their version; only listed ones are alive.
            self.chunks["gone"][
                np.isin(self.chunks["node"], listed) & ~np.isin(self.chunks["id"], page.live_chunks[:, 1])
            ] = True
        self.tags.update((node, frozenset(json.loads(text))) for node, text in page.tags.items())
        self.turn_names.update(page.turn_names)
        if len(new):
            new = new[np.argsort(ids[new], kind="stable")]
            if self.nodes.rows and ids[new[0]] < self.nodes["id"][-1]:
                self._merge_nodes(columns, ids, own, new)
            else:
                self.nodes.extend({**{k: v[new] for k, v in columns.items()}, "id": ids[new], "own": own[new]})
        self.seq, self.last_node = int(columns["seq"][-1]), int(ids[-1])
        self.stamp += 1

    def _merge_nodes(self, columns: dict[str, NDArray[np.float64]], ids: Ids, own: NDArray[np.uint8], new: Ids) -> None:
        # A page in order of change may contain a smaller id than a known one: sort again.
        names = ("id", "parent", "kind", "gone", "version", "kept", "created", "updated", "own")
        fresh = {**{k: columns[k][new] for k in names if k in columns}, "id": ids[new], "own": own[new]}
        whole = {k: np.concatenate([self.nodes[k], fresh[k]]) for k in names}
        order = np.argsort(whole["id"], kind="stable")
        kinds: dict[str, type | str] = {k: self.nodes[k].dtype.str for k in (*names, "parent_row", "bits")}
        self.nodes, self._computed = Columns(kinds), (0, 0)
        self.nodes.extend({k: v[order] for k, v in whole.items()})

    def outside_parents(self) -> list[int]:
        """Return parents that have no row here: where the partition is attached to the account's tree."""
        ids, parent, at = self.nodes["id"], self.nodes["parent"], self.nodes["parent_row"]
        known = self._computed[0]
        if np.isin(parent[:known][at[:known] < 0], ids[known:]).any():  # a parent that came after its child
            known, self._computed = 0, (0, 0)
        at[known:] = row_of(ids, parent[known:])
        return [int(p) for p in np.unique(parent[known:][at[known:] < 0]) if int(p) not in self.anchored]

    def recompute(self, anchored: dict[int, bool]) -> None:
        """Derive which nodes and chunks are alive, and which are below memories and skills. ``anchored``: outside parents, and
        whether they are alive."""
        self.anchored.update(anchored)
        known, known_chunks = self._computed
        own, parent_row, bits = self.nodes["own"][known:].copy(), self.nodes["parent_row"][known:], self.nodes["bits"]
        top = np.flatnonzero(parent_row < 0)
        cut = [p for p, alive in self.anchored.items() if not alive]
        own[top[np.isin(self.nodes["parent"][known:][top], cut)]] |= DEAD
        bits[known:] = propagate_flags(own, parent_row, bits[:known])
        node_row = self.chunks["node_row"]
        if (node_row[:known_chunks] < 0).any():  # a node that came after its chunks
            known_chunks = 0
        node_row[known_chunks:] = row_of(self.nodes["id"], self.chunks["node"][known_chunks:])
        self.alive = np.concatenate(
            [self.alive[:known_chunks] & ~self.chunks["gone"][:known_chunks], self._alive(known_chunks)]
        )
        self.live_ids = self.chunks["id"][self.alive]
        self._computed, self._computed_stamp = (self.nodes.rows, self.chunks.rows), self.stamp

    # ----------------------------------------------------------------- chunks
    def view(self) -> Chunks:
        """Return a view of the chunks for other threads."""
        return Chunks(self.chunks.views(), tuple(self.speakers))

    def apply_chunks(self, page: ChunkPage) -> None:
        """Add chunks. One commit brings all chunks of a node's level, so older ones of that level are dead, except for nodes
        whose pages list the live ones."""
        columns = page.columns
        ids, nodes = columns["id"].astype(np.int64), columns["node"].astype(np.int64)
        if self.chunks.rows and nodes.min() <= self.chunks["node"].max():
            key, fresh = self.chunks["node"] * 4 + self.chunks["level"], nodes * 4 + columns["level"].astype(np.int64)
            gone = np.isin(key, np.unique(fresh))
            if self._continues(page):
                gone &= ~((self.chunks["node"] == self._unfinished[0]) & (self.chunks["id"] >= self._unfinished[2]))
            gone &= ~np.isin(self.chunks["node"], self.nodes["id"][self.nodes["kept"] > 0])
            self.chunks["gone"][gone] = True
        speaker = np.full(len(ids), -1, np.int32)
        for name, members in page.speakers.items():
            speaker[np.isin(ids, members)] = self.speakers.setdefault(name, len(self.speakers))
        self.chunks.extend({**columns, "id": ids, "node": nodes, "speaker": speaker})
        self.last_chunk = int(ids[-1])
        if not page.cut:
            self._unfinished = (-1, 0, 0)
        elif not self._continues(page):
            self._unfinished = (int(nodes[0]), int(columns["version"][0]), int(ids[0]))
        self.stamp += 1

    def _continues(self, page: ChunkPage) -> bool:
        """Return True if a page starts in the middle of a node's chunks."""
        return (int(page.columns["node"][0]), int(page.columns["version"][0])) == self._unfinished[:2]

    # ------------------------------------------------------------------- size
    @property
    def is_mostly_dead(self) -> bool:
        """True if most rows are dead. Requires a current index; checked once per doubling of the rows."""
        if self.rows < 2 * self._checked_rows + SPARE_ROWS:
            return False
        self._checked_rows = self.rows
        return self.rows > 2 * (len(self.live_ids) + int(np.count_nonzero((self.nodes["bits"] & DEAD) == 0)))

    @property
    def dead_nodes(self) -> Ids:
        """Ids of nodes that are no longer reachable."""
        return np.asarray(self.nodes["id"][(self.nodes["bits"] & DEAD) > 0])

    def compact(self, unpurged: Ids) -> None:
        """Drop replaced chunks, and dead nodes except ``unpurged`` ones, with their chunks. Call ``recompute`` afterwards."""
        nodes, chunks = self.nodes, self.chunks
        keep = ((nodes["bits"] & DEAD) == 0) | np.isin(nodes["id"], unpurged)
        at = chunks["node_row"]
        outdated = (
            (at >= 0) & (chunks["level"] == 2) & (chunks["version"] < nodes["version"][at]) & (nodes["kept"][at] == 0)
        )
        purged = (at >= 0) & ~keep[at]
        for node in nodes["id"][~keep].tolist():
            self.tags.pop(node, None)
            self.turn_names.pop(node, None)
        self.nodes, self.chunks = nodes.where(keep), chunks.where(~(chunks["gone"] | outdated | purged))
        self.anchored.clear()
        self._computed, self._checked_rows = (0, 0), self.rows
        self.stamp += 1

    def _alive(self, start: int) -> NDArray[np.bool_]:
        """Return which chunks are alive, from this row on."""
        at = self.chunks["node_row"][start:]
        if self.nodes.rows == 0:
            return np.zeros(len(at), np.bool_)
        current = (self.chunks["version"][start:] == self.nodes["version"][at]) | (self.nodes["kept"][at] > 0)
        reachable = (at >= 0) & ((self.nodes["bits"][at] & DEAD) == 0) & ~self.chunks["gone"][start:]
        return np.asarray(reachable & (current | (self.chunks["level"][start:] < 2)), np.bool_)

    def below(self, tops: Ids) -> NDArray[np.bool_]:
        """Return, per node, whether it is one of ``tops`` or below one."""
        own = np.where(np.isin(self.nodes["id"], tops), MARK, 0).astype(np.uint8)
        return np.asarray(propagate_flags(own, self.nodes["parent_row"]) == MARK, np.bool_)

    def link_turns(self) -> None:
        """Link folders of turns like a session: one group per folder, in order of time and natural name."""
        if not self.turn_names or self._linked_stamp == self.stamp:
            return
        self._linked_stamp = self.stamp
        names = {
            node: tuple(int(p) if p.isdigit() else 0 for p in _DIGITS.findall(name))
            for node, name in self.turn_names.items()
        }
        rows = np.flatnonzero(
            np.isin(self.chunks["node"], np.fromiter(self.turn_names, np.int64)) & ~self.chunks["gone"]
        )
        parent = self.nodes["parent"][self.chunks["node_row"][rows]].tolist()
        node, at = self.chunks["node"][rows].tolist(), self.chunks["at"][rows].tolist()
        order = sorted(
            range(len(rows)), key=lambda k: (parent[k], at[k], names[node[k]], self.turn_names[node[k]], int(rows[k]))
        )
        previous, folder = 0, -1
        for k in order:
            row = rows[k]
            self.chunks["previous"][row] = previous if parent[k] == folder else 0
            self.chunks["group"][row] = parent[k] + _FOLDER_GROUP_OFFSET
            previous, folder = int(self.chunks["id"][row]), parent[k]
