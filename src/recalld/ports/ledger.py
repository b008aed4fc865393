"""The ledger: the store of record, bound to one caller. Reads of the tree, of sessions and of tasks; commits change them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, Receipt
from recalld.domain.document import Tiers
from recalld.domain.job import Lane, Task
from recalld.domain.node import Entry, Node
from recalld.domain.session import Archive, Message, Session
from recalld.domain.uri import Uri

from .maintenance import IndexCoverage


@dataclass(frozen=True, slots=True)
class ChunkText:
    """The text of a chunk: ``text``, or the characters ``start`` to ``end`` of the file whose bytes are ``data``.

    ``hash``: of the node's content ("" for a message); ``headings``: those above the file in the document it is a part of.
    """

    text: str
    data: bytes = b""
    start: int = 0
    end: int = 0
    hash: str = ""
    headings: tuple[str, ...] = ()


class Tree(Protocol):
    """The tree as one caller sees it."""

    async def stat(self, uri: Uri) -> Node:
        """The node at ``uri``. Raises ``NotFound``. Namespace roots (viking://, resources, user, agent, user/{me} and
        its memories, resources, skills, peers, privacy, sessions) always exist."""

    async def walk(self, uri: Uri, *, depth_max: int, nodes_max: int, hidden: bool = False) -> list[Entry]:
        """Everything below ``uri`` in pre-order, level by level at most ``depth_max`` deep; the same rules as ``list``."""

    async def read(self, uri: Uri) -> bytes:
        """A file's or message's bytes. Raises ``NotFound``; ``Invalid`` for a directory."""

    async def file(self, uri: Uri) -> tuple[Node, bytes]:
        """A file or message with its bytes, both of the same moment. Raises as ``read``."""

    async def tiers(self, uri: Uri) -> Tiers | None:
        """A node's L0/L1 (None = not made yet). Raises ``NotFound``."""

    async def grep_candidates(
        self, uri: Uri, *, literal: str, fold: bool, depth_max: int, after: int, limit: int
    ) -> list[tuple[Node, bytes]]:
        """Files below ``uri`` with id > ``after`` in id order, with their bytes, for a scan by regular expression.

        ``literal``: a string of at least 3 characters every match must contain, used to skip files ("" = all files);
        ``fold``: it is lower-case and compared without ASCII case. Binary media, hidden files and messages are left
        out, unless ``uri`` lies in a message directory."""

    async def count(self, uri: Uri) -> int:
        """How many entries ``list`` would show of a directory (0 of a file). Raises ``NotFound``."""

    async def names(self, uri: Uri, *, nodes_max: int) -> list[Entry]:
        """Paths below ``uri`` for a glob, without abstracts: cheap. Hidden and messages as in ``list``."""

    async def size(self, uri: Uri) -> int:
        """How many entries a removal of ``uri`` would take, itself and hidden ones included; 0 if it is not there."""

    async def chunk_texts(self, chunk_ids: Sequence[int], *, bytes_max: int) -> dict[int, ChunkText]:
        """The texts of chunks that a search of this caller found, by id. Left out: chunks that are gone or damaged, and those of
        files outside the database once these come to ``bytes_max``. One read, if all files are in the database."""

    # Last, because below it the word list means this method.
    async def list(self, uri: Uri, *, limit: int, hidden: bool = False) -> list[Node]:
        """Children in name order, directories first; dot files only if ``hidden``; message directories never, unless
        ``uri`` is one. Directories carry their abstract. Raises ``NotFound``; ``Conflict`` if ``uri`` is a file."""


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


class Tasks(Protocol):
    """The tasks and jobs of one caller."""

    async def task(self, task_id: str) -> Task:
        """Raises ``NotFound``."""

    async def tasks(
        self, *, type: str = "", status: str = "", resource_id: str = "", limit: int = 50, offset: int = 0
    ) -> list[Task]:
        """Newest first, without the first ``offset``."""

    async def pending(self, *, task_id: str = "", due: bool = False) -> int:
        """How many jobs (of one task, if named) are still to be done; dead ones do not count, nor those of the language
        model, since what they improve can be found already. ``due``: nor those whose time has not come."""

    def endings(self) -> AsyncGenerator[None, None]:
        """Yields at once, then whenever a job may have ended, and at least every two seconds."""


class Commits(Protocol):
    """The writes of one caller."""

    async def commit(self, commit: Commit, *, lane: Lane = Lane.INTERACTIVE) -> Receipt:
        """Apply a commit: durable when this returns; if it raises, nothing has changed. ``lane``: bulk commits wait behind
        interactive ones.

        Raises ``NotFound``, ``Conflict``, ``Denied``, ``Invalid`` from single operations (the whole commit is undone),
        ``Busy`` when too many commits wait, ``Upstream`` when the store is full."""

    async def cancel(self, task_id: str) -> Task:
        """Take a task's jobs off the queue. Raises ``NotFound``, ``Conflict`` (already ended)."""


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
