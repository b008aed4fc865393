"""The ledger: the store of record for the tree, sessions and jobs, bound to one caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from recalld.domain.caller import Caller
from recalld.domain.document import Tiers
from recalld.domain.node import Entry, Node
from recalld.domain.session import Archive, Message, Session
from recalld.domain.uri import Uri

from .backlog import IndexCoverage
from .commits import Commits
from .sessions import Sessions
from .tasks import Tasks
from .tree import Tree

T = TypeVar("T")


class ReadTransaction(Protocol):
    """Reads of one caller at one point of the log, each as its namesake of ``Tree`` or ``Sessions``. Synchronous."""

    caller: Caller

    def stat(self, uri: Uri) -> Node: ...

    def tiers(self, uri: Uri) -> Tiers | None: ...

    def session(self, session_id: str) -> Session: ...

    def archives(self, session_id: str, *, latest: bool = False) -> list[Archive]: ...

    def archive(self, session_id: str, *, number: int = 0, task_id: str = "") -> Archive | None: ...

    def failed_archives(self, session_id: str) -> int: ...

    def messages(
        self, session_id: str, *, archive: int | None = None, after: int = -1, limit: int = -1, newest: bool = False
    ) -> list[Message]: ...

    def walk(self, uri: Uri, *, depth_max: int, nodes_max: int, hidden: bool = False) -> list[Entry]: ...

    # Last, because below it the word list means this method.
    def list(self, uri: Uri, *, limit: int, hidden: bool = False) -> list[Node]: ...


class Transactions(Protocol):
    """Several reads at one point of the log."""

    async def read_transaction(self, work: Callable[[ReadTransaction], T]) -> T:
        """What ``work`` reads, all of it at one point of the log, and what it raises. It runs on another thread inside one
        read transaction: keep it short, and do not use the transaction after it."""


class Tenant(Tree, Sessions, Transactions, Tasks, IndexCoverage, Commits, Protocol):
    """A ledger bound to one caller. It cannot name what lies outside that caller's account and visible spaces.

    Visible: ``resources``, ``agent`` and ``user/{caller.user}``; role root: every user of the account. Another user's
    address raises ``Denied``. Every method raises ``Busy`` when too many wait. Use cases take the narrowest of its
    parts that they need.
    """

    caller: Caller


class Ledger(Protocol):
    """Binds callers."""

    def tenant(self, caller: Caller) -> Tenant:
        """Bind a caller. No I/O."""
