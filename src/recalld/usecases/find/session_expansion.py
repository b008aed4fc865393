"""Expands a query with the session it belongs to."""

from __future__ import annotations

import asyncio

from recalld.domain.errors import Busy, Corrupt, NotFound, Upstream
from recalld.ports.ledger import Sessions
from recalld.rules.query_expansion import expand_query

RECENT_MAX = 12
"""Latest messages read, however many the session has."""


async def expand_with_session(
    text: str, session_id: str, sessions: Sessions, *, within_s: float
) -> tuple[str, tuple[str, ...]]:
    """Return the query, expanded with the latest user turns if it depends on them, and degraded parts.

    A session that cannot be read, or not in time, leaves the query as it is. A missing session is not an error.
    """
    try:
        async with asyncio.timeout(within_s):
            session = await sessions.session(session_id)
            after = max(-1, session.total_message_count - RECENT_MAX - 1)
            recent = await sessions.messages(session_id, archive=0, after=after, limit=RECENT_MAX)
    except NotFound:
        return text, ()
    except (Busy, Upstream, Corrupt, TimeoutError):
        return text, ("session",)
    return expand_query(text, recent), ()
