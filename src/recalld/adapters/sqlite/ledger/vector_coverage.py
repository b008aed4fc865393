"""How many chunks have a vector of the wanted model, and which texts an embedder refused."""

from __future__ import annotations

from collections.abc import Sequence

import apsw
import orjson

from recalld.adapters.sqlite.database.sql import fetch_all, fetch_one
from recalld.domain.caller import Caller
from recalld.domain.commit import Embedded
from recalld.domain.results import VectorCount

from . import rows

_WANTED = "model m JOIN meta w ON w.key = 'wanted_model' AND w.value = m.fingerprint"
# By partition: each is one range of the index, and no vector is read.
_DONE = f"SELECT coalesce(sum((SELECT count(*) FROM vector v WHERE v.owner = o.id AND v.model = m.id)), 0) FROM owner o, {_WANTED} "
_REFUSED = f"SELECT r.why, count(*) FROM refused r JOIN {_WANTED} AND m.id = r.model JOIN chunk k ON k.id = r.chunk "


def count(c: apsw.Connection, caller: Caller | None = None) -> VectorCount:
    """Of all partitions, or of a caller's own and the account's shared one."""
    spaces = (
        sorted({rows.partition_of(c, caller.account, user) for user in (caller.user, "")})
        if caller is not None
        else None
    )
    partitions_json = (orjson.dumps(spaces).decode(),)
    among = "" if spaces is None else "WHERE {} IN (SELECT value FROM json_each(?))"
    binding = () if spaces is None else partitions_json
    refused = dict(fetch_all(c, f"{_REFUSED} {among.format('k.owner')} GROUP BY r.why ORDER BY r.why", binding))
    embedded = fetch_one(c, f"{_DONE} {among.format('o.id')}", binding)[0]
    wanted = fetch_one(c, f"SELECT coalesce(sum(chunks), 0) FROM owner o {among.format('o.id')}", binding)[0]
    return VectorCount(embedded - sum(refused.values()), wanted, refused)


def note_refused(c: apsw.Connection, model: int, put: Sequence[Embedded]) -> None:
    """Remember which of the chunks that got a vector were refused, and why."""
    chunks = orjson.dumps([one.chunk_id for one in put]).decode()
    c.execute("DELETE FROM refused WHERE chunk IN (SELECT value FROM json_each(?))", (chunks,))
    c.executemany(
        "INSERT INTO refused SELECT id, ?, ? FROM chunk WHERE id = ?",
        [(model, one.refused, one.chunk_id) for one in put if one.refused],
    )


def refused_below(c: apsw.Connection, page: str) -> dict[str, int]:
    """Refused texts of these nodes by reason."""
    return dict(fetch_all(c, f"{_REFUSED} JOIN json_each(?) p ON p.value = k.node GROUP BY r.why", (page,)))
