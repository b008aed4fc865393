"""The ledger: the store of record for the tree, sessions and jobs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, Receipt
from recalld.domain.document import Tiers
from recalld.domain.history import LogEntry
from recalld.domain.job import Job, QueueCount, Task
from recalld.domain.node import Entry, Kind, Node
from recalld.domain.results import Consistency, VectorCount
from recalld.domain.session import Archive, Message, Session
from recalld.domain.uri import Uri

T = TypeVar("T")
SESSIONS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A chunk as stored, without its terms. ``text`` is its stretch of the node's text."""

    id: int
    node_id: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class IndexableNode:
    """A living node that the index may hold. ``partition``: as whom it is indexed. ``bare``: it has no tiers, though it may."""

    partition: Caller
    node: Node
    bare: bool


@dataclass(frozen=True, slots=True)
class StaleDir:
    """A directory whose tiers are behind, with what its new tiers are made from.

    ``entries``: its children (directories and files, hidden and messages left out) in name order with their abstracts,
    at most ``entries_max`` of ``total``; ``own`` its present tiers (None = never made).
    """

    node: Node
    seq: int
    entries: tuple[Node, ...]
    total: int
    own: Tiers | None


@dataclass(frozen=True, slots=True)
class ProviderUsage:
    """Calls to a provider in a UTC day. ``day`` and ``account`` "": of all of them together. ``error``: what was wrong with the
    last call, made at ``at`` ("" = nothing)."""

    day: str
    account: str
    provider: str
    operation: str
    calls: int
    tokens_in: int
    tokens_out: int
    refused: int
    at: float
    error: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What the store holds and whether it can write: for status, doctor and metrics."""

    nodes: int
    chunks: int
    vectors: int
    messages: int
    sessions: int
    log_seq: int
    file_bytes: int
    wal_bytes: int
    blob_bytes: int
    schema: int
    store_id: str
    partitions: dict[str, int] = field(default_factory=dict)
    embedded: VectorCount = VectorCount(0, 0)


class Reader(Protocol):
    """Reads of one caller at one point of the log, each as its namesake of ``Tenant``. Synchronous, for ``Tenant.at_once``."""

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


class Tenant(Protocol):
    """A ledger bound to one caller. It cannot name what lies outside that caller's account and visible spaces.

    Visible: ``resources``, ``agent`` and ``user/{caller.user}``; role root: every user of the account. Another user's
    address raises ``Denied``. Every method raises ``Busy`` when readers or the writer are saturated.
    """

    caller: Caller

    async def stat(self, uri: Uri) -> Node:
        """The node at ``uri``. Raises ``NotFound``. Namespace roots (viking://, resources, user, agent, user/{me} and
        its memories, resources, skills, peers, privacy, sessions) always exist."""
        ...

    async def walk(self, uri: Uri, *, depth_max: int, nodes_max: int, hidden: bool = False) -> list[Entry]:
        """Everything below ``uri`` in pre-order, level by level at most ``depth_max`` deep; the same rules as ``list``."""
        ...

    async def read(self, uri: Uri) -> bytes:
        """A file's or message's bytes. Raises ``NotFound``; ``Invalid`` for a directory."""
        ...

    async def at_once(self, work: Callable[[Reader], T]) -> T:
        """What ``work`` reads, all of it at one point of the log, and what it raises. It runs on a reader's thread inside one
        read transaction: keep it short, and keep nothing of the reader."""
        ...

    async def file(self, uri: Uri) -> tuple[Node, bytes]:
        """A file or message with its bytes, both of the same moment. Raises as ``read``."""
        ...

    async def tiers(self, uri: Uri) -> Tiers | None:
        """A node's L0/L1 (None = not made yet). Raises ``NotFound``."""
        ...

    async def grep_candidates(
        self, uri: Uri, *, literal: str, fold: bool, depth_max: int, after: int, limit: int
    ) -> list[tuple[Node, bytes]]:
        """Files below ``uri`` with id > ``after`` in id order, with their bytes, for a scan by regular expression.

        ``literal``: a string of at least 3 characters every match must contain, used to skip files ("" = all files);
        ``fold``: it is lower-case and compared without ASCII case. Binary media, hidden files and messages are left
        out, unless ``uri`` lies in a message directory."""
        ...

    async def count(self, uri: Uri) -> int:
        """How many entries ``list`` would show of a directory (0 of a file). Raises ``NotFound``."""
        ...

    async def names(self, uri: Uri, *, nodes_max: int) -> list[Entry]:
        """Paths below ``uri`` for a glob, without abstracts: cheap. Hidden and messages as in ``list``."""
        ...

    async def size(self, uri: Uri) -> int:
        """How many entries a removal of ``uri`` would take, itself and hidden ones included; 0 if it is not there."""
        ...

    async def commit(self, commit: Commit) -> Receipt:
        """Apply a commit: durable on disk when this returns; if it raises, nothing has changed.

        Raises ``NotFound``, ``Conflict``, ``Denied``, ``Invalid`` from single operations (the whole commit is undone),
        ``Busy`` when the queue of the writer is full, ``Upstream`` when the disk is full."""
        ...

    async def session(self, session_id: str) -> Session:
        """Raises ``NotFound``."""
        ...

    async def sessions(self, *, limit: int = SESSIONS_MAX, offset: int = 0) -> list[Session]:
        """The caller's, newest first, without the first ``offset``."""
        ...

    async def messages(
        self, session_id: str, *, archive: int | None = None, after: int = -1, limit: int = -1, newest: bool = False
    ) -> list[Message]:
        """In order; ``archive`` None = all, 0 = live, n = that archive's; ``after``: ordinals above this. The first ``limit``
        of them (-1: all), or the last ones if ``newest``. Costs what it returns, however many others the session has."""
        ...

    async def message(self, uri: Uri) -> Message:
        """One message by its address. Raises ``NotFound``."""
        ...

    async def archives(self, session_id: str, *, latest: bool = False) -> list[Archive]:
        """Oldest first; ``latest``: the newest one that is done, and those after it."""
        ...

    async def archive(self, session_id: str, *, number: int = 0, task_id: str = "") -> Archive | None:
        """The archive with this number, or the one that this task finishes; None if there is none."""
        ...

    async def failed_archives(self, session_id: str) -> int:
        """How many of a session's archives have failed."""
        ...

    async def task(self, task_id: str) -> Task:
        """Raises ``NotFound``."""
        ...

    async def tasks(
        self, *, type: str = "", status: str = "", resource_id: str = "", limit: int = 50, offset: int = 0
    ) -> list[Task]:
        """Newest first, without the first ``offset``."""
        ...

    async def cancel(self, task_id: str) -> Task:
        """Ask a task to stop: pending jobs of it leave the queue. Raises ``NotFound``, ``Conflict`` (already ended)."""
        ...

    async def log(self, *, after: int = 0, limit: int = 100) -> list[LogEntry]:
        """The account's log in order."""
        ...

    async def consistency(self, uri: Uri, *, first: int) -> Consistency:
        """Whether what lies at and below ``uri`` (200,000 nodes of it) is in the index, with the ``first`` records that
        are not. Raises ``NotFound``."""
        ...

    async def vectors(self) -> VectorCount:
        """How many pieces of the caller's own and the account's shared partition have a vector."""
        ...

    async def pending(self, *, task_id: str = "", due: bool = False) -> int:
        """How many jobs of this caller (or of one task) are still to be done; dead ones do not count, nor
        those of the language model that betters words which can be found already. ``due``: nor those whose time has not
        come."""
        ...

    def endings(self) -> AsyncGenerator[None, None]:
        """Yields at once, then whenever a job of this caller may have ended, and at least every two seconds."""
        ...

    # Last, because below it the word list means this method.
    async def list(self, uri: Uri, *, limit: int, hidden: bool = False) -> list[Node]:
        """Children in name order, directories first; dot files only if ``hidden``; message directories never, unless
        ``uri`` is one. Directories carry their abstract. Raises ``NotFound``; ``Conflict`` if ``uri`` is a file."""
        ...


class Ledger(Protocol):
    """The whole store. Callers read and write through a bound ``Tenant``; the rest here is maintenance."""

    def tenant(self, caller: Caller, *, bulk: bool = False) -> Tenant:
        """Bind a caller. No I/O. ``bulk``: its commits wait behind all others' (background work; captures go first)."""
        ...

    async def lease(self, *, worker: str, jobs_max: int, lease_s: float, lanes: Sequence[str] = ()) -> list[Job]:
        """Take jobs that may run now: interactive lane first, then fairly by user, oldest first; never two jobs of one
        key at once. Counts the attempt. A job beyond its attempt ceiling is declared dead instead."""
        ...

    async def beat(self, *, worker: str, job_ids: Sequence[int], lease_s: float) -> list[int]:
        """Renew leases; returns the ids still held (the others were cancelled or lost)."""
        ...

    async def retry(
        self, job: Job, *, error: str, delay_s: float, permanent: bool = False, counts: bool = True
    ) -> None:
        """Give a failed job back (or declare it dead with ``error`` if ``permanent`` or out of attempts; its task fails).
        ``counts`` False: it only had to wait, which is no attempt."""
        ...

    async def release(self, *, worker: str, counts: bool = True) -> int:
        """Return every lease this worker holds; returns how many. ``counts`` False: it was stopped and did not die of them."""
        ...

    def wake(self) -> AsyncIterator[None]:
        """Yields when jobs may have become ready (after commits that enqueue), and at least every second."""
        ...

    async def queues(self) -> list[QueueCount]:
        """Per kind of job. ``done`` counts since the store was made."""
        ...

    async def stale_dirs(self, caller: Caller, *, limit: int, entries_max: int) -> list[StaleDir]:
        """Stale directories of the caller's own tree (or of the account's shared tree for user ""), deepest first."""
        ...

    async def node_text(self, caller: Caller, node_id: int) -> tuple[Node, bytes] | None:
        """A node by id with its bytes, None if it has gone."""
        ...

    async def unwritten(self, caller: Caller, *, by: str, limit: int) -> list[int]:
        """Ids of resource files and directories of the caller's own tree (or of the account's shared tree for user "") whose
        tiers a language model should write: neither made by the writer whose mark is ``by`` nor by a caller. Deepest first."""
        ...

    async def tiered(self, caller: Caller, node_id: int, *, entries_max: int) -> StaleDir | None:
        """A directory or file as it is now with what its tiers are made from (a file has no entries); None if it has gone."""
        ...

    async def cached_tiers(self, key: str) -> Tiers | None:
        """What ``KeepMade`` kept under this key."""
        ...

    async def provider_usage(self, *, since: str, account: str = "", whole: bool = False) -> list[ProviderUsage]:
        """Calls to providers since that day ("" = ever), of one account ("" = of all); ``whole``: days and accounts together."""
        ...

    async def unembedded(self, caller: Caller, *, fingerprint: str, limit: int) -> list[ChunkRow]:
        """Chunks without a vector of this model, newest messages first, with their texts."""
        ...

    async def want(self, fingerprint: str, width: int) -> None:
        """Name the model whose vectors every chunk needs ("" = none). If that is another one than before, all chunks are
        listed as unembedded, but for those that have its vector already."""
        ...

    async def partitions(self) -> list[Caller]:
        """Every partition: users' own (account, user) and shared ones (account, "")."""
        ...

    async def repartition(self, *, account: str, node_id: int, chunks_max: int) -> int:
        """Bring up to ``chunks_max`` chunks of a subtree that moved to another partition over to it; 0 = all are there."""
        ...

    async def idle_sessions(self, *, now: float, limit: int) -> list[tuple[Caller, str]]:
        """Sessions of any user with live messages whose policy's ``idle_timeout_seconds`` have passed since the last one."""
        ...

    async def purge(self, *, nodes_max: int) -> int:
        """Delete what was derived from up to ``nodes_max`` removed nodes, then the nodes of what is to be erased; returns how
        many it looked at (0 = clean). What was removed can be restored until ``prune`` has erased it."""
        ...

    async def unindexed(self, caller: Caller, uri: Uri, *, after: int, limit: int) -> list[Node]:
        """Files and messages at and below ``uri`` without a chunk of their text, or with a part of them alone, with
        id > ``after``, in id order. Raises ``NotFound``."""
        ...

    async def indexable(self, *, after: int, limit: int) -> tuple[list[IndexableNode], int]:
        """Of the next ``limit`` nodes of all users with id > ``after``, in id order, those that the index may hold, and the id
        after which to go on (0 = that was the last)."""
        ...

    async def prune(self, *, keep_s: float) -> int:
        """Erase what was removed more than ``keep_s`` seconds ago. Drop contents that no node has any more and no log entry of
        the last ``keep_s`` seconds names, tasks that ended
        long ago, vectors of models out of use, and blob files that nothing names; returns how many contents went. The
        log itself stays."""
        ...

    async def usage(self) -> Usage:
        """Counts and sizes. Indexes are counted, beside what is answered at once: ask for it seldom."""
        ...

    async def probe(self) -> float:
        """One real write and read; returns seconds taken. Raises ``Upstream`` or ``Busy``."""
        ...

    async def check(self, *, repair: bool = False) -> list[str]:
        """Integrity check: what is wrong, one sentence each (repaired where ``repair``)."""
        ...

    async def checkpoint(self) -> None:
        """Checkpoint the store: make its file compact and complete, where the store has such a step."""
        ...

    async def close(self) -> None:
        """Finish accepted work and release the store. Further calls raise ``Closed``."""
        ...


KINDS_INDEXED = (Kind.FILE, Kind.MESSAGE)
