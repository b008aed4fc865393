"""Sessions: reads of their messages and archives."""

from __future__ import annotations

from typing import Protocol

from recalld.domain.session import Archive, Message, Session
from recalld.domain.uri import Uri

SESSIONS_MAX = 10_000


class Sessions(Protocol):
    """The sessions of one caller."""

    async def session(self, session_id: str) -> Session:
        """Raises ``NotFound``."""

    async def sessions(self, *, limit: int = SESSIONS_MAX, offset: int = 0) -> list[Session]:
        """Newest first, without the first ``offset``."""

    async def messages(
        self, session_id: str, *, archive: int | None = None, after: int = -1, limit: int = -1, newest: bool = False
    ) -> list[Message]:
        """In order; ``archive`` None = all, 0 = live, n = that archive's; ``after``: ordinals above this. The first ``limit``
        of them (-1: all), or the last ones if ``newest``. Costs what it returns, however many others the session has."""

    async def message(self, uri: Uri) -> Message:
        """One message by its address. Raises ``NotFound``."""

    async def archives(self, session_id: str, *, latest: bool = False) -> list[Archive]:
        """Oldest first; ``latest``: the newest one that is done, and those after it."""

    async def archive(self, session_id: str, *, number: int = 0, task_id: str = "") -> Archive | None:
        """The archive with this number, or the one that this task finishes; None if there is none."""

    async def failed_archives(self, session_id: str) -> int:
        """How many of a session's archives have failed."""
