"""A space that is followed step by step is the one that is read at once."""

from __future__ import annotations

import random

import numpy as np
import pytest

from recalld.adapters.catalog.follow import ChunkPage, NodePage, OwnerRow
from recalld.adapters.catalog.space import Space

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


def _take(space: Space, page: NodePage | ChunkPage) -> None:
    if isinstance(page, NodePage):
        space.take_nodes(page)
    else:
        space.take_chunks(page)


def _settle(space: Space) -> None:
    space.settle({parent: parent == 900 for parent in space.outside_parents()})


@pytest.mark.parametrize("seed", range(60))
def test_step_by_step_or_at_once(seed: int) -> None:
    store, pages = Store(seed), []
    followed = Space(OwnerRow(1, 0, 0, 0))
    for number in range(PAGES):
        pages.append(store.chunks() if number % 2 else store.nodes())
        _take(followed, pages[-1])
        _settle(followed)
        read = Space(OwnerRow(1, 0, 0, 0))
        for page in pages:
            _take(read, page)
        _settle(read)
        assert followed.living.tolist() == read.living.tolist()
        for column in ("parent_row", "bits"):
            assert followed.nodes[column].tolist() == read.nodes[column].tolist()
        assert followed.chunks["node_row"].tolist() == read.chunks["node_row"].tolist()


def test_a_change_that_was_not_settled_is_noticed() -> None:
    store, space = Store(0), Space(OwnerRow(1, 0, 0, 0))
    assert space.is_settled
    space.take_nodes(store.nodes())
    assert not space.is_settled  # a read that fails now leaves it so
    _settle(space)
    assert space.is_settled
