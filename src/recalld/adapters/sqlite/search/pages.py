"""Pages of a scope, in order of chunk id."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recalld.domain.errors import Invalid
from recalld.ports.index import Ids

_CURSOR_DIGITS_MAX = 18


def next_ids(parts: Sequence[Ids], cursor: str, limit: int) -> tuple[Ids, bool]:
    """Return the first ``limit`` ids behind ``cursor``, ascending, and whether there are more. The cost does not grow with
    the number of ids. Raises ``Invalid`` for an invalid cursor."""
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _CURSOR_DIGITS_MAX):
        raise Invalid(
            f"cursor {cursor[:40]!r} is not one of ours",
            remedy="send next_cursor of the page before, or none to begin",
            details={"field": "cursor"},
        )
    starts = (int(np.searchsorted(ids, int(cursor or 0), side="right")) for ids in parts)
    found = [ids[start : start + limit + 1] for ids, start in zip(parts, starts, strict=True)]
    ids = np.sort(np.concatenate([np.zeros(0, np.int64), *found]))
    return ids[:limit], len(ids) > limit
