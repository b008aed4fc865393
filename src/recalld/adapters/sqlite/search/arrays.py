"""Append-only columns, lookups by sorted id, and flag propagation in a tree of row numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Column = NDArray[Any]
NO_BITS = np.zeros(0, np.uint8)


class Columns:
    """Named columns of equal length that grow by doubling. A view of a column keeps its length."""

    def __init__(self, kinds: Mapping[str, type | str]) -> None:
        self._data: dict[str, Column] = {name: np.zeros(64, kind) for name, kind in kinds.items()}
        self.rows = 0

    def __getitem__(self, name: str) -> Column:
        return self._data[name][: self.rows]

    def views(self) -> dict[str, Column]:
        """Return views of all columns, without later rows."""
        return {name: self[name] for name in self._data}

    def where(self, keep: NDArray[np.bool_]) -> Columns:
        """Return a copy of the selected rows."""
        some = Columns({name: column.dtype.str for name, column in self._data.items()})
        some.extend({name: self[name][keep] for name in self._data})
        return some

    def extend(self, values: Mapping[str, Column]) -> None:
        """Append rows. A missing column is filled with zeros."""
        more = len(next(iter(values.values())))
        need = self.rows + more
        for name, column in self._data.items():
            if len(column) < need:
                grown = np.zeros(max(need, 2 * len(column)), column.dtype)
                grown[: self.rows] = column[: self.rows]
                self._data[name] = grown
            self._data[name][self.rows : need] = values.get(name, 0)
        self.rows = need


def row_of(sorted_ids: Ids, wanted: Ids) -> NDArray[np.int32]:
    """Return the row of each wanted id in ascending ``sorted_ids``, -1 if it is missing."""
    if len(sorted_ids) == 0:
        return np.full(len(wanted), -1, np.int32)
    at = np.searchsorted(sorted_ids, wanted)
    at[at == len(sorted_ids)] = 0
    return np.where(sorted_ids[at] == wanted, at, -1).astype(np.int32)


def propagate_flags(
    own: NDArray[np.uint8], parents: NDArray[np.int32], above: NDArray[np.uint8] = NO_BITS
) -> NDArray[np.uint8]:
    """Return the flags of each row OR'ed with those of all its ancestors (parent -1 = none).

    Pointer jumping takes log(depth) rounds. ``above``: the propagated flags of the rows before these.
    """
    flags = np.append(own, np.uint8(0))
    jump = np.append(parents - len(above), np.int32(-1))
    if len(above):
        below = np.flatnonzero((parents >= 0) & (parents < len(above)))
        flags[below] |= above[parents[below]]
    while True:
        active = np.flatnonzero(jump >= 0)
        if len(active) == 0:
            return flags[:-1]
        flags[active] |= flags[jump[active]]
        jump[active] = jump[jump[active]]
