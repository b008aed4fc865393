"""Messages of a session from its end, or page by page: the cost depends on how many are needed, not on the session's length."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recalld.domain.session import Message
from recalld.ports.ledger import ReadTransaction
from recalld.ports.sessions import Sessions

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
