"""An index updated step by step equals one read at once."""

from __future__ import annotations

import random

import numpy as np
import pytest

from recalld.adapters.sqlite.search.change_feed import ChunkPage, NodePage, PartitionRow
from recalld.adapters.sqlite.search.partition_index import PartitionIndex

PAGES = 12


class Store:
    """Changes as a store would tell them: new nodes, changed ones, parents before and after their children, new chunks."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._seq = 0
        self._version: dict[int, int] = {}
        self._chunk = 0

    def nodes(self) -> NodePage:
        some = [self._chance.randint(1, 60) for _ in range(self._chance.randint(1, 6))]
        if self._chance.random() < 0.6:  # most often only what is new, with larger ids
            top = max(self._version, default=0)
            some = [top + k for k in range(1, 4)]
        ids = list(dict.fromkeys(some))
        for node in ids:
            self._version[node] = self._version.get(node, 0) + 1
        self._seq += len(ids)
        column = {
            "id": ids,
            "parent": [self._parent(node) for node in ids],
            "kind": [1] * len(ids),
            "gone": [self._seq if self._chance.random() < 0.1 else 0 for _ in ids],
            "version": [self._version[node] for node in ids],
            "kept": [0] * len(ids),
            "seq": list(range(self._seq - len(ids) + 1, self._seq + 1)),
            "created": [0.0] * len(ids),
            "updated": [0.0] * len(ids),
        }
        named = {"memories": np.array([n for n in ids if n % 7 == 0], np.int64)}
        return NodePage(
            {k: np.array(v, np.float64) for k, v in column.items()}, named, {}, {}, np.zeros((0, 2), np.int64)
        )

    def _parent(self, node: int) -> int:
        """Any that makes no circle: odd ones lie below smaller odd ones, even ones below any odd one or smaller even ones."""
        odd = range(1, node if node % 2 else 60, 2)
        return self._chance.choice([0, 900, 901, *odd, *(() if node % 2 else range(2, node, 2))])

    def chunks(self) -> ChunkPage:
        known = [*self._version, *([self._chance.randint(1, 60)] if self._chance.random() < 0.3 else [])]
        nodes = [self._chance.choice(known) for _ in range(self._chance.randint(1, 5))]
        ids = list(range(self._chunk + 1, self._chunk + 1 + len(nodes)))
        self._chunk = ids[-1]
        column = {
            "id": ids,
            "node": nodes,
            "version": [self._version.get(node, 1) for node in nodes],
            "level": [self._chance.choice([0, 2, 2]) for _ in nodes],
            **{name: [0] * len(nodes) for name in ("kind", "length", "group", "previous", "at", "asks")},
        }
        return ChunkPage({k: np.array(v, np.float64) for k, v in column.items()}, {})


def _apply(partition: PartitionIndex, page: NodePage | ChunkPage) -> None:
    if isinstance(page, NodePage):
        partition.apply_nodes(page)
    else:
        partition.apply_chunks(page)


def _recompute(partition: PartitionIndex) -> None:
    partition.recompute({parent: parent == 900 for parent in partition.outside_parents()})


@pytest.mark.parametrize("seed", range(60))
def test_step_by_step_or_at_once(seed: int) -> None:
    store, pages = Store(seed), []
    followed = PartitionIndex(PartitionRow(1, 0, 0, 0))
    for number in range(PAGES):
        pages.append(store.chunks() if number % 2 else store.nodes())
        _apply(followed, pages[-1])
        _recompute(followed)
        read = PartitionIndex(PartitionRow(1, 0, 0, 0))
        for page in pages:
            _apply(read, page)
        _recompute(read)
        assert followed.live_ids.tolist() == read.live_ids.tolist()
        for column in ("parent_row", "bits"):
            assert followed.nodes[column].tolist() == read.nodes[column].tolist()
        assert followed.chunks["node_row"].tolist() == read.chunks["node_row"].tolist()


def test_an_index_with_unapplied_changes_is_not_current() -> None:
    store, partition = Store(0), PartitionIndex(PartitionRow(1, 0, 0, 0))
    assert partition.is_current
    partition.apply_nodes(store.nodes())
    assert not partition.is_current  # a read that fails now leaves it so
    _recompute(partition)
    assert partition.is_current
