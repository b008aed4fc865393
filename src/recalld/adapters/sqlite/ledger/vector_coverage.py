"""How many chunks have a vector of each configured model, and which texts an embedder refused."""

from __future__ import annotations

from collections.abc import Sequence

import apsw
import orjson

from recalld.adapters.sqlite.database.sql import fetch_all, fetch_one
from recalld.domain.caller import Caller
from recalld.domain.commit import Embedded
from recalld.domain.results import VectorCount

from . import rows

# By partition: each is one range of the index, and no vector is read.
_DONE = (
    "SELECT coalesce(sum((SELECT count(*) FROM vector WHERE owner = p.value AND model = ?1)), 0) FROM json_each(?2) p"
)
_CHUNKS = "SELECT coalesce(sum(o.chunks), 0) FROM json_each(?) p CROSS JOIN owner o ON o.id = p.value"
_REFUSED = "SELECT r.why, count(*) FROM refused r JOIN chunk k ON k.id = r.chunk "
_REFUSED_IN = (
    f"{_REFUSED} WHERE r.model = ?1 AND k.owner IN (SELECT value FROM json_each(?2)) GROUP BY r.why ORDER BY r.why"
)


def count(c: apsw.Connection, caller: Caller | None = None) -> tuple[VectorCount, ...]:
    """Of all partitions, or of a caller's own and the account's shared one; by model, in the order of the configuration."""
    partitions = orjson.dumps(_partitions(c, caller)).decode()
    (chunks,) = fetch_one(c, _CHUNKS, (partitions,))
    counts = []
    for model, name in fetch_all(c, "SELECT id, name FROM model WHERE place > 0 ORDER BY place"):
        (embedded,) = fetch_one(c, _DONE, (model, partitions))
        refused = dict(fetch_all(c, _REFUSED_IN, (model, partitions)))
        counts.append(VectorCount(embedded - sum(refused.values()), chunks, refused, name))
    return tuple(counts)


def _partitions(c: apsw.Connection, caller: Caller | None) -> list[int]:
    if caller is None:
        return [id_ for (id_,) in c.execute("SELECT id FROM owner")]
    return sorted({rows.partition_of(c, caller.account, user) for user in (caller.user, "")})


def note_refused(c: apsw.Connection, model: int, put: Sequence[Embedded]) -> None:
    """Remember which of the chunks that got a vector were refused, and why."""
    chunks = orjson.dumps([one.chunk_id for one in put]).decode()
    c.execute("DELETE FROM refused WHERE model = ? AND chunk IN (SELECT value FROM json_each(?))", (model, chunks))
    c.executemany(
        "INSERT OR REPLACE INTO refused SELECT id, ?, ? FROM chunk WHERE id = ?",
        [(model, one.refused, one.chunk_id) for one in put if one.refused],
    )


def refused_below(c: apsw.Connection, page: str) -> dict[str, int]:
    """Refused texts of these nodes by reason."""
    sql = f"{_REFUSED} JOIN model m ON m.id = r.model AND m.place > 0 JOIN json_each(?) p ON p.value = k.node GROUP BY r.why"
    return dict(fetch_all(c, sql, (page,)))
