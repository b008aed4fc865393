"""Session context: the newest finished archive and the messages after it, within a token budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from recalld.domain.caller import Caller
from recalld.domain.errors import Invalid
from recalld.domain.results import SessionContext
from recalld.domain.session import Archive, Message
from recalld.ports.bundle import Ports
from recalld.ports.ledger import ReadTransaction, Sessions
from recalld.rules.openviking_json import message_json, tokens
from recalld.rules.retention import fit

FIRST = 256
GROWTH = 4
PAGE = 5_000


def newest(
    reader: ReadTransaction, session_id: str, archive: int, enough: Callable[[Sequence[Message]], bool]
) -> list[Message]:
    """The newest messages of an archive (0: the live ones), in order: until ``enough`` returns True, or all."""
    count = FIRST
    while True:
        found = reader.messages(session_id, archive=archive, limit=count, newest=True)
        if len(found) < count or enough(found):
            return found
        count *= GROWTH


async def all_of(sessions: Sessions, session_id: str, archive: int) -> list[Message]:
    """All messages of an archive, in order. A reader is held for one page at a time."""
    found: list[Message] = []
    while True:
        page = await sessions.messages(
            session_id, archive=archive, after=found[-1].ordinal if found else -1, limit=PAGE
        )
        found += page
        if len(page) < PAGE:
            return found


async def context(session_id: str, token_budget: int, caller: Caller, ports: Ports) -> SessionContext:
    """The newest finished archive's overview if it fits beside the live messages, and the raw messages since then."""
    if token_budget < 0:
        raise Invalid(f"token_budget {token_budget} is negative", remedy="0 or more", details={"field": "token_budget"})
    return await ports.ledger.tenant(caller).read_transaction(lambda reader: _context(session_id, token_budget, reader))


def _context(session_id: str, token_budget: int, reader: ReadTransaction) -> SessionContext:
    """Read at one point of the log: a commit of the session moves messages from one of these reads to another."""
    session = reader.session(session_id)
    finished, pending = _split(reader.archives(session_id, latest=True))
    recent = fit(_raw(reader, session_id, pending, token_budget), token_budget)
    active = _tokens(recent)
    overview = finished.overview if finished is not None else ""
    overview_tokens = tokens(overview) if overview else 0
    if overview_tokens > token_budget - active:
        overview, overview_tokens = "", 0
    return SessionContext(
        overview,
        tuple(message_json(m) for m in recent),
        active + overview_tokens,
        session.commit_count,
        reader.failed_archives(session_id),
        active,
        overview_tokens,
    )


def _split(archives: list[Archive]) -> tuple[Archive | None, list[Archive]]:
    """The newest done archive, and the ones after it whose messages must be shown raw."""
    pending: list[Archive] = []
    for archive in reversed(archives):
        if archive.state == "done":
            return archive, pending[::-1]
        pending.append(archive)
    return None, pending[::-1]


def _raw(reader: ReadTransaction, session_id: str, pending: list[Archive], budget: int) -> list[Message]:
    """The messages since the newest finished archive, in order, from the end on as many as are more than the budget."""
    raw: list[Message] = []
    for number in (0, *(archive.number for archive in reversed(pending))):
        left = budget - _tokens(raw)
        if left < 0:
            break
        raw = newest(reader, session_id, number, partial(_exceed, left)) + raw
    return raw


def _exceed(budget: int, messages: Sequence[Message]) -> bool:
    return _tokens(messages) > budget


def _tokens(messages: Sequence[Message]) -> int:
    return sum(m.tokens for m in messages)
