"""Messages of a session from its end, or page by page: what that costs follows what is wanted, not how long the session is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recalld.domain.session import Message
from recalld.ports.ledger import Reader, Tenant

FIRST = 256
GROWTH = 4
PAGE = 5_000


def newest(reader: Reader, session_id: str, archive: int, enough: Callable[[Sequence[Message]], bool]) -> list[Message]:
    """The newest messages of an archive (0: the live ones), in order: so many that they are ``enough``, or all."""
    count = FIRST
    while True:
        found = reader.messages(session_id, archive=archive, limit=count, newest=True)
        if len(found) < count or enough(found):
            return found
        count *= GROWTH


async def all_of(tenant: Tenant, session_id: str, archive: int) -> list[Message]:
    """All messages of an archive, in order. No reader is held for longer than a page takes."""
    found: list[Message] = []
    while True:
        after = found[-1].ordinal if found else -1
        page = await tenant.messages(session_id, archive=archive, after=after, limit=PAGE)
        found += page
        if len(page) < PAGE:
            return found
