"""Places that a request reserves for the user's standing instructions and preferences.

"Always cite sources" shares no word with the request it concerns, so its evidence alone seldom brings it among the first ten.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .rank_features import Floats, RankRows, RowFeatures
from .ranking_params import CHAT
from .standing import INSTRUCTION, PREFERENCE, is_request

PLACES = 10
"""The reserved places are the last of the first ten hits, or of fewer if fewer are requested."""
SHARE = 5
"""One place in five is reserved for instructions, another for preferences."""


def keep_places(
    query: str,
    best: NDArray[np.int64],
    entry: NDArray[np.int64],
    rows: RankRows,
    features: RowFeatures,
    total: Floats,
    limit: int,
) -> NDArray[np.int64]:
    """Return ``best`` (the best row of each entry, best first) with the highest-ranking instructions and preferences of chats
    with an assistant in the reserved places, in the order of their rank; the entries they displace follow. Only for a request:
    other queries are about facts. Same length; each entry stays unique."""
    shown = min(PLACES, limit, len(best))
    each = shown // SHARE
    if not features.has_roles or not each or not is_request(query):
        return best
    first, new = set(entry[best[:shown]].tolist()), list[int]()
    for trait in (INSTRUCTION, PREFERENCE):
        marked = np.flatnonzero((rows.traits & trait > 0) & (features.kind == CHAT))
        marked = marked[np.argsort(-total[marked], kind="stable")]
        _, distinct = np.unique(entry[marked], return_index=True)
        for row in marked[np.sort(distinct)[:each]].tolist():
            if int(entry[row]) not in first:
                first.add(int(entry[row]))
                new.append(row)
    if not new:
        return best
    new.sort(key=lambda row: (-total[row], row))
    others = best[~np.isin(entry[best], entry[new])]
    return np.concatenate([others[: shown - len(new)], np.array(new, np.int64), others[shown - len(new) :]])[
        : len(best)
    ]
