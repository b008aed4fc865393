"""The ledger bound to one caller: it reads here, and commits through whatever ``Commits`` it is given."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import apsw

from recalld.domain.caller import Caller
from recalld.domain.commit import (
    Anchor,
    Commit,
    DropMember,
    DropWork,
    ForgetEntries,
    MarkLeaving,
    NewTask,
    Receipt,
    Remove,
    UpdateTask,
)
from recalld.domain.document import Tiers
from recalld.domain.errors import Corrupt
from recalld.domain.job import Lane, Task
from recalld.domain.node import Entry, Node
from recalld.domain.results import Consistency, VectorCount
from recalld.domain.session import Archive, Message, Session
from recalld.domain.uri import Uri
from recalld.ports.ledger import SESSIONS_MAX, ChunkText, Commits, ReadTransaction

from . import apply, chunk_texts, index_coverage, job_queue, session_archives, sessions, tree_queries, vector_coverage
from .access import Access


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


T = TypeVar("T")
LISTED_BY_READERS_MAX = 2_000
_FREE = (Remove, DropMember, DropWork, ForgetEntries, MarkLeaving)
_BESIDE = (Anchor, NewTask, UpdateTask)
"""What may come with them: some bytes."""


class SqliteCommits:
    """Commits of the primary process."""

    def __init__(self, access: Access, caller: Caller) -> None:
        self._access = access
        self._caller = caller

    async def commit(self, commit: Commit, *, lane: Lane = Lane.INTERACTIVE) -> Receipt:
        access, at = self._access, self._access.clock.now()
        result = await access.write(
            lambda c: apply.apply(c, self._caller, commit, at), bulk=lane is Lane.BULK, frees=_frees(commit)
        )
        if commit.done:
            access.endings.ended(self._caller)
        if result.jobs_changed:
            access.wakeups.notify(max((j.delay_s for j in commit.jobs), default=0.0))
        return apply.receipt(result)

    async def cancel(self, task_id: str) -> Task:
        now = self._access.clock.now()
        task = await self._access.write(lambda c: job_queue.cancel(c, self._caller, task_id, now))
        self._access.endings.ended(self._caller)
        return task


def _frees(commit: Commit) -> bool:
    """True for a commit that removes and writes nothing of size. On a full disk it may use the space that was set aside."""
    return any(isinstance(op, _FREE) for op in commit.ops) and all(
        isinstance(op, (*_FREE, *_BESIDE)) for op in commit.ops
    )


class SqliteTenant:
    """One caller's reads and commits."""

    def __init__(self, access: Access, caller: Caller, commits: Commits) -> None:
        self.caller = caller
        self._access = access
        self._commits = commits

    async def commit(self, commit: Commit, *, lane: Lane = Lane.INTERACTIVE) -> Receipt:
        return await self._commits.commit(commit, lane=lane)

    async def cancel(self, task_id: str) -> Task:
        return await self._commits.cancel(task_id)

    async def _read(self, work: Callable[[apsw.Connection], T]) -> T:
        return await self._access.readers.read(work)

    async def _scan(self, work: Callable[[apsw.Connection], T]) -> T:
        return await self._access.readers.scan(work)

    async def _read_many(self, most: int, work: Callable[[apsw.Connection], T]) -> T:
        """Read up to so many entries: many of them not beside what is answered at once."""
        return await (self._scan if most > LISTED_BY_READERS_MAX else self._read)(work)

    async def read_transaction(self, work: Callable[[ReadTransaction], T]) -> T:
        return await self._read(lambda c: work(SqliteReadTransaction(c, self.caller)))

    # ------------------------------------------------------------------ tree
    async def stat(self, uri: Uri) -> Node:
        return await self._read(lambda c: tree_queries.stat(c, self.caller, uri))

    async def walk(self, uri: Uri, *, depth_max: int, nodes_max: int, hidden: bool = False) -> list[Entry]:
        return await self._read_many(
            nodes_max, lambda c: tree_queries.walk(c, self.caller, uri, depth_max, nodes_max, hidden)
        )

    async def read(self, uri: Uri) -> bytes:
        return (await self.file(uri))[1]

    async def file(self, uri: Uri) -> tuple[Node, bytes]:
        found = await self._read(lambda c: tree_queries.read(c, self.caller, uri))
        return found[0], await self._access.bytes_of(*found)

    async def tiers(self, uri: Uri) -> Tiers | None:
        return await self._read(lambda c: tree_queries.tiers(c, self.caller, uri))

    async def grep_candidates(
        self, uri: Uri, *, literal: str, fold: bool, depth_max: int, after: int, limit: int
    ) -> list[tuple[Node, bytes]]:
        page = await index_coverage.candidates(self._scan, self.caller, uri, literal, fold, depth_max, after, limit)
        return [(node, await self._access.bytes_of(node, data)) for node, data in page]

    async def count(self, uri: Uri) -> int:
        return await self._scan(lambda c: tree_queries.count_entries(c, self.caller, uri))

    async def names(self, uri: Uri, *, nodes_max: int) -> list[Entry]:
        return await self._read_many(nodes_max, lambda c: tree_queries.names(c, self.caller, uri, nodes_max))

    async def size(self, uri: Uri) -> int:
        return await self._scan(lambda c: tree_queries.size(c, self.caller, uri))

    async def chunk_texts(self, chunk_ids: Sequence[int], *, bytes_max: int) -> dict[int, ChunkText]:
        found: dict[int, ChunkText] = {}
        for one in await self._read(lambda c: chunk_texts.stored(c, chunk_ids)):
            text = one.found
            if not one.is_complete:
                bytes_max -= one.size
                if bytes_max < 0:
                    continue
                try:
                    text = replace(text, data=await self._access.content(text.hash))
                except Corrupt:
                    continue
            found[one.id] = text
        return found

    # ------------------------------------------------------------------ sessions
    async def session(self, session_id: str) -> Session:
        return await self._read(lambda c: sessions.session(c, self.caller, session_id))

    async def sessions(self, *, limit: int = SESSIONS_MAX, offset: int = 0) -> list[Session]:
        return await self._read(lambda c: sessions.sessions(c, self.caller, limit, offset))

    async def messages(
        self, session_id: str, *, archive: int | None = None, after: int = -1, limit: int = -1, newest: bool = False
    ) -> list[Message]:
        return await self.read_transaction(
            lambda r: r.messages(session_id, archive=archive, after=after, limit=limit, newest=newest)
        )

    async def message(self, uri: Uri) -> Message:
        return await self._read(lambda c: sessions.message(c, self.caller, uri))

    async def archives(self, session_id: str, *, latest: bool = False) -> list[Archive]:
        return await self.read_transaction(lambda r: r.archives(session_id, latest=latest))

    async def archive(self, session_id: str, *, number: int = 0, task_id: str = "") -> Archive | None:
        return await self.read_transaction(lambda r: r.archive(session_id, number=number, task_id=task_id))

    async def failed_archives(self, session_id: str) -> int:
        return await self.read_transaction(lambda r: r.failed_archives(session_id))

    # ------------------------------------------------------------------ tasks and the index
    async def task(self, task_id: str) -> Task:
        return await self._read(lambda c: job_queue.task(c, self.caller, task_id))

    async def tasks(
        self, *, type: str = "", status: str = "", resource_id: str = "", limit: int = 50, offset: int = 0
    ) -> list[Task]:
        return await self._read(lambda c: job_queue.tasks(c, self.caller, type, status, resource_id, limit, offset))

    async def pending(self, *, task_id: str = "", due: bool = False) -> int:
        return await self._read(lambda c: job_queue.pending(c, self.caller, task_id, due))

    def endings(self) -> AsyncGenerator[None, None]:
        return self._access.endings.of(self.caller)

    async def consistency(self, uri: Uri, *, first: int) -> Consistency:
        return await index_coverage.consistency(self._scan, self.caller, uri, first)

    async def vectors(self) -> tuple[VectorCount, ...]:
        return await self._read(lambda c: vector_coverage.count(c, self.caller))

    # Last, because below it the word list means this method.
    async def list(self, uri: Uri, *, limit: int, hidden: bool = False) -> list[Node]:
        return await self._read_many(limit, lambda c: tree_queries.list_dir(c, self.caller, uri, limit, hidden))
