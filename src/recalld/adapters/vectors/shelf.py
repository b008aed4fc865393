"""One owner's vectors of one model in memory, in order of chunk id."""

from __future__ import annotations

from dataclasses import dataclass, field

import apsw
import numpy as np
from numpy.typing import NDArray

from recalld.ports.index import Ids, Scores

PAGE_ROWS = 4_000


@dataclass
class Shelf:
    """Rows sorted by chunk id; ``last`` is the largest vector id taken over, ``rows`` float32 up to the exact limit and
    float16 beyond."""

    width: int
    last: int = 0
    ids: Ids = field(default_factory=lambda: np.zeros(0, np.int64))
    data: NDArray[np.floating] = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def take(self, ids: Ids, data: NDArray[np.float16], exact_max: int) -> None:
        """Add rows; a chunk that comes again replaces its former vector."""
        kind = np.float32 if len(self.ids) + len(ids) <= exact_max else np.float16
        if len(self.ids) == 0:
            whole_ids, whole = ids, data.astype(kind)
        else:
            whole_ids = np.concatenate([self.ids, ids])
            whole = np.concatenate([self.data.astype(kind, copy=False), data.astype(kind)])
        if len(self.ids) == 0 or ids.min() <= self.ids[-1] or np.any(np.diff(ids) <= 0):
            # The later of two equal ids stands further right: keep the last of each.
            unique, first = np.unique(whole_ids[::-1], return_index=True)
            order = len(whole_ids) - 1 - first
            whole_ids, whole = unique, np.ascontiguousarray(whole[order])
        self.ids, self.data = whole_ids, whole

    def pick(self, wanted: Ids) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Row of each wanted id and whether it is there."""
        if len(self.ids) == 0:
            return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
        at = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        return at, self.ids[at] == wanted

    def cosines(self, rows: NDArray[np.int64], vector: Scores) -> Scores:
        """Exact cosines of these rows."""
        return (self.data[rows].astype(np.float32, copy=False) @ vector).astype(np.float32, copy=False)

    @property
    def bytes(self) -> int:
        """Memory held."""
        return int(self.data.nbytes + self.ids.nbytes)


def page_after(
    c: apsw.Connection, owner: int, model: int, last: int, width: int
) -> tuple[Ids, NDArray[np.float16], int] | None:
    """The next page of an owner's vectors in the order they arrived: chunk ids, rows and the last vector id."""
    rows = c.execute(
        "SELECT id, chunk, data FROM vector WHERE owner = ? AND model = ? AND id > ? ORDER BY id LIMIT ?",
        (owner, model, last, PAGE_ROWS),
    ).fetchall()
    rows = [r for r in rows if len(r[2]) == width * 2]
    if not rows:
        return None
    ids = np.array([r[1] for r in rows], np.int64)
    data = np.frombuffer(b"".join(r[2] for r in rows), "<f2").reshape(len(rows), width)
    return ids, data, int(rows[-1][0])
