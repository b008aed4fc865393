"""How a new job merges with a pending job of the same key."""

from __future__ import annotations

import apsw

from recalld.adapters.sqlite.database.sql import fetch_all

MERGED_PAYLOAD = (
    "CASE WHEN coalesce(json_extract(excluded.payload, '$.quiet'), 0) AND NOT coalesce(json_extract(payload, '$.quiet'), 0) "
    "THEN payload ELSE excluded.payload END"
)
MERGE_CHANGES_JOB = (
    "excluded.not_before < not_before OR excluded.payload <> payload OR (excluded.lane = 'interactive' AND lane <> 'interactive') "
    "OR (task = '' AND excluded.task <> '')"
)
"""Whether the merge changes the pending job. Mostly it does not (every message enqueues the same maintenance), and then
neither the row nor its index pages are written."""
MERGED_TASK = "task = CASE WHEN task = '' THEN excluded.task ELSE task END"


def pending_key(c: apsw.Connection, key: str, task: str) -> str:
    """The key under which a job waits: its own where the pending job of this key belongs to another task than ``task``."""
    if not task:
        return key
    there = fetch_all(c, "SELECT task FROM job WHERE key = ? AND state = 'pending'", (key,))
    return f"{key}~{task}" if there and there[0][0] not in {"", task} else key
