"""A question in the light of the session it is asked in."""

from __future__ import annotations

import asyncio

from recalld.domain.errors import Busy, NotFound, Upstream
from recalld.ports.ledger import Tenant
from recalld.rules.query_expansion import expand_query

RECENT_MAX = 12
"""Messages looked at: the latest, however many the session has."""


async def expand_with_session(
    text: str, session_id: str, tenant: Tenant, *, within_s: float
) -> tuple[str, tuple[str, ...]]:
    """The question with the latest user turns beside it if it leans on them, and what was missing: a session that cannot be
    read in time changes nothing else. One that is not there says nothing."""
    try:
        async with asyncio.timeout(within_s):
            session = await tenant.session(session_id)
            after = max(-1, session.total_message_count - RECENT_MAX - 1)
            recent = await tenant.messages(session_id, archive=0, after=after, limit=RECENT_MAX)
    except NotFound:
        return text, ()
    except (Busy, Upstream, TimeoutError):
        return text, ("session",)
    return expand_query(text, recent), ()
