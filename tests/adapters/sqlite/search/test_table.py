"""Neighbours in reading order, within a scope."""

from __future__ import annotations

import numpy as np

from recalld.adapters.sqlite.search.partition_index import Chunks
from recalld.adapters.sqlite.search.table import reading_order_of, with_neighbours

CHUNKS = 1_000


def _session() -> Chunks:
    """Chunks 1, 2, ... that follow each other."""
    ids = np.arange(1, CHUNKS + 1)
    return Chunks({"id": ids, "previous": ids - 1}, ())


def test_reading_order_is_as_long_as_the_scope() -> None:
    order = reading_order_of(_session(), np.array([3, 4, 9]))
    assert {len(column) for column in (order.rows, order.ids, order.before, order.after)} == {3}


def test_neighbours_are_counted_inside_the_scope() -> None:
    order = reading_order_of(_session(), np.array([3, 4, 5, 6, 8]))
    assert with_neighbours(order, np.array([6]), 1).tolist() == [4, 5, 6]
    assert with_neighbours(order, np.array([6]), 4).tolist() == [3, 4, 5, 6]  # row 7 is out of scope
    assert with_neighbours(order, np.array([8, 700]), 4).tolist() == []
