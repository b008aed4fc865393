"""Neighbours in reading order, inside a scope alone."""

from __future__ import annotations

import numpy as np

from recalld.adapters.catalog.space import Chunks
from recalld.adapters.catalog.table import line_of, with_neighbours

TALK = 1_000


def _talk() -> Chunks:
    """Chunks 1, 2, ... that follow each other."""
    ids = np.arange(1, TALK + 1)
    return Chunks({"id": ids, "previous": ids - 1}, ())


def test_reading_order_is_as_long_as_the_scope() -> None:
    line = line_of(_talk(), np.array([3, 4, 9]))
    assert {len(column) for column in (line.rows, line.ids, line.before, line.after)} == {3}


def test_neighbours_are_counted_inside_the_scope() -> None:
    line = line_of(_talk(), np.array([3, 4, 5, 6, 8]))
    assert with_neighbours(line, np.array([6]), 1).tolist() == [4, 5, 6]
    assert with_neighbours(line, np.array([6]), 4).tolist() == [3, 4, 5, 6]  # row 7 is out of scope
    assert with_neighbours(line, np.array([8, 700]), 4).tolist() == []
