"""Several reads in one transaction."""

from __future__ import annotations

import apsw

from recalld.domain.caller import Caller
from recalld.domain.document import Tiers
from recalld.domain.node import Entry, Node
from recalld.domain.session import Archive, Message, Session
from recalld.domain.uri import Uri

from . import session_archives, sessions, tree_queries


class SqliteReadTransaction:
    """Valid while the transaction on ``c`` lasts."""

    def __init__(self, c: apsw.Connection, caller: Caller) -> None:
        self.caller = caller
        self._c = c

    def stat(self, uri: Uri) -> Node:
        return tree_queries.stat(self._c, self.caller, uri)

    def tiers(self, uri: Uri) -> Tiers | None:
        return tree_queries.tiers(self._c, self.caller, uri)

    def session(self, session_id: str) -> Session:
        return sessions.session(self._c, self.caller, session_id)

    def archives(self, session_id: str, *, latest: bool = False) -> list[Archive]:
        return session_archives.archives(self._c, self.caller, session_id, latest=latest)

    def archive(self, session_id: str, *, number: int = 0, task_id: str = "") -> Archive | None:
        return session_archives.archive(self._c, self.caller, session_id, number, task_id)

    def failed_archives(self, session_id: str) -> int:
        return session_archives.failed(self._c, self.caller, session_id)

    def messages(
        self, session_id: str, *, archive: int | None = None, after: int = -1, limit: int = -1, newest: bool = False
    ) -> list[Message]:
        return sessions.messages(self._c, self.caller, session_id, archive, after, limit, newest=newest)

    def walk(self, uri: Uri, *, depth_max: int, nodes_max: int, hidden: bool = False) -> list[Entry]:
        return tree_queries.walk(self._c, self.caller, uri, depth_max, nodes_max, hidden)

    # Last, because below it the word list means this method.
    def list(self, uri: Uri, *, limit: int, hidden: bool = False) -> list[Node]:
        return tree_queries.list_dir(self._c, self.caller, uri, limit, hidden)
