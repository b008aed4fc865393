"""Reads a session's latest turns and recall log, and records what was recalled. It never creates a session."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from recalld.domain.commit import Commit, NoteRecall
from recalld.domain.errors import NotFound, RecalldError
from recalld.domain.results import ContextEntry
from recalld.domain.session import Message, Session
from recalld.ports.ledger import Commits, ReadTransaction, Transactions
from recalld.rules.query_expansion import expanded_queries
from recalld.rules.recall_log import RecallLog, log_of

from .gather import ContextRequest

READ_WITHIN_S = 5.0
WRITE_WITHIN_S = 1.0
RECENT_MAX = 12


@dataclass(frozen=True, slots=True)
class SessionHistory:
    """``queries``: the caller's own query first, then its expansions; ``expansion`` and ``dedup``: outcome of reading the
    session; ``log`` None: recalled entries are not recorded."""

    queries: tuple[str, ...]
    expansion: str = "off"
    dedup: str = "off"
    log: RecallLog | None = None


async def read_history(request: ContextRequest, transactions: Transactions, *, deadline_s: float) -> SessionHistory:
    """Read what the request needs of its session. If the session is missing or cannot be read in time, the search continues
    with the query alone, and the status says so."""
    query_only = SessionHistory((request.query,))
    if not request.session_id or not (request.query_expansion or request.dedup_turns):
        return query_only
    try:
        async with asyncio.timeout(min(READ_WITHIN_S, deadline_s)):
            session, recent = await transactions.read_transaction(lambda reader: _read(request, reader))
    except NotFound:
        return replace(query_only, dedup="no_session" if request.dedup_turns else "off")
    except (RecalldError, TimeoutError):
        return SessionHistory(
            query_only.queries,
            "failed" if request.query_expansion else "off",
            "failed" if request.dedup_turns else "off",
        )
    queries = expanded_queries(request.query, recent)
    log = log_of(session) if request.dedup_turns else None
    return SessionHistory(queries, "used" if len(queries) > 1 else "off", "off" if log is None else "ok", log)


def _read(request: ContextRequest, reader: ReadTransaction) -> tuple[Session, list[Message]]:
    """Return the session and, for query expansion, its latest messages, including archived ones."""
    session = reader.session(request.session_id)
    if not request.query_expansion:
        return session, []
    after = max(-1, session.total_message_count - RECENT_MAX - 1)
    return session, reader.messages(session.id, after=after, limit=RECENT_MAX)


async def record_recall(
    request: ContextRequest, history: SessionHistory, entries: Sequence[ContextEntry], commits: Commits
) -> str:
    """Record the recalled entries durably and return the status. Entries that cannot be recorded may be recalled again."""
    if history.log is None or not entries:
        return history.dedup
    pairs = tuple((str(one.uri), one.detail) for one in entries)
    commit = Commit((NoteRecall(request.session_id, history.log.turn, pairs),))
    try:
        async with asyncio.timeout(WRITE_WITHIN_S):
            await commits.commit(commit)
    except (RecalldError, TimeoutError):
        return "failed"
    return history.dedup
