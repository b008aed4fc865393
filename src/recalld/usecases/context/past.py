"""What the asking session knows: its latest turns, and what it was already given. It is never made here."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from recalld.domain.commit import Commit, NoteRecall
from recalld.domain.errors import NotFound, RecalldError
from recalld.domain.report import ContextEntry
from recalld.domain.session import Message, Session
from recalld.ports.ledger import Reader, Tenant
from recalld.rules.recall_log import RecallLog, log_of
from recalld.rules.widen import widenings

from .wish import Wish

READ_WITHIN_S = 5.0
WRITE_WITHIN_S = 1.0
RECENT_MAX = 12


@dataclass(frozen=True, slots=True)
class Past:
    """``queries``: what to ask, the caller's own words first; ``expansion`` and ``dedup``: how reading went; ``log``
    None: nothing is remembered of what was given."""

    queries: tuple[str, ...]
    expansion: str = "off"
    dedup: str = "off"
    log: RecallLog | None = None


async def past_of(wish: Wish, tenant: Tenant, *, deadline_s: float) -> Past:
    """Read what is asked for. A session that is not there, or cannot be read in time, changes nothing but what is said
    about it: recall goes on with the question alone."""
    alone = Past((wish.query,))
    if not wish.session_id or not (wish.query_expansion or wish.dedup_turns):
        return alone
    try:
        async with asyncio.timeout(min(READ_WITHIN_S, deadline_s)):
            session, recent = await tenant.at_once(lambda reader: _read(wish, reader))
    except NotFound:
        return replace(alone, dedup="no_session" if wish.dedup_turns else "off")
    except (RecalldError, TimeoutError):
        return Past(alone.queries, "failed" if wish.query_expansion else "off", "failed" if wish.dedup_turns else "off")
    queries = widenings(wish.query, recent)
    log = log_of(session) if wish.dedup_turns else None
    return Past(queries, "used" if len(queries) > 1 else "off", "off" if log is None else "ok", log)


def _read(wish: Wish, reader: Reader) -> tuple[Session, list[Message]]:
    """The session and, if they are to widen the question, its latest messages, archived ones included."""
    session = reader.session(wish.session_id)
    if not wish.query_expansion:
        return session, []
    after = max(-1, session.total_message_count - RECENT_MAX - 1)
    return session, reader.messages(session.id, after=after, limit=RECENT_MAX)


async def remember(wish: Wish, past: Past, given: Sequence[ContextEntry], tenant: Tenant) -> str:
    """Note what was given, durably, and return how that went. What cannot be noted is merely given again."""
    if past.log is None or not given:
        return past.dedup
    shown = tuple((str(one.uri), one.detail) for one in given)
    noted = Commit((NoteRecall(wish.session_id, past.log.turn, shown),))
    try:
        async with asyncio.timeout(WRITE_WITHIN_S):
            await tenant.commit(noted)
    except (RecalldError, TimeoutError):
        return "failed"
    return past.dedup
