"""Shared by the ledger's contract tests: a ledger with a fake clock, and short functions for commits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from recalld.adapters.sqlite.database.readers import Readers
from recalld.adapters.sqlite.history.history import SqliteHistory
from recalld.adapters.sqlite.ledger.ledger import FILE_NAME, SqliteLedger, open_ledger
from recalld.domain.caller import Caller, Role
from recalld.domain.commit import (
    INLINE_BYTES_MAX,
    Append,
    ArchiveMessages,
    Commit,
    NewMessage,
    Op,
    PutFile,
    Receipt,
    WriteMode,
)
from recalld.domain.document import Chunk, Tiers
from recalld.domain.history import LogEntry, LogFilter
from recalld.domain.job import Job, NewJob
from recalld.domain.policy import JobPolicy
from recalld.domain.session import Message
from recalld.domain.uri import Uri
from recalld.ports.ledger import Tenant
from tests.contract.worker_side import WorkerSide
from tests.fakes.blobs import MemoryBlobs
from tests.fakes.clock import MemoryClock

ANA, BEN = Caller("acme", "ana"), Caller("acme", "ben")
ROOT = Caller("acme", "ana", Role.ROOT)
POLICIES = {"fragile": JobPolicy(attempts_max=2, deadline_s=100.0)}


def at(path: str) -> Uri:
    return Uri.parse(f"viking://{path}")


def chunk(text: str, *, start: int = 0, level: int = 2) -> Chunk:
    return Chunk(start, start + len(text), tuple(text.lower().split()), level)


def put(path: str, text: str = "words", *, mode: WriteMode = WriteMode.UPSERT, **rest: Any) -> PutFile:
    data = text.encode()
    small = len(data) <= INLINE_BYTES_MAX
    return PutFile(
        at(path),
        mode,
        hashlib.sha256(data).hexdigest(),
        len(data),
        rest.pop("media", "text/plain"),
        data=data if small else None,
        **{"chunks": (chunk(text),), **rest},
    )


def new_message(id_: str, text: str = "hello there", role: str = "user") -> NewMessage:
    return NewMessage(
        Message(id_, role, ({"type": "text", "text": text},), text, at=10.0, tokens=2), (chunk(text),), text
    )


def append(session: str, *ids: str) -> Append:
    return Append(session, tuple(new_message(i) for i in ids))


def archive(session: str, last: int, task: str) -> ArchiveMessages:
    return ArchiveMessages(session, last, 0, task, NewJob("extract", f"extract:{task}", task_id=task))


@dataclass
class LedgerHarness:
    """A ledger with its clock and blobs."""

    ledger: SqliteLedger | WorkerSide
    clock: MemoryClock
    blobs: MemoryBlobs
    folder: Path

    @property
    def readers(self) -> Readers:
        """The connections that this side reads through."""
        return self.ledger.readers if isinstance(self.ledger, WorkerSide) else self.ledger.access.readers

    def tenant(self, caller: Caller = ANA) -> Tenant:
        return self.ledger.tenant(caller)

    async def do(self, *ops: Op, caller: Caller = ANA, jobs: tuple[NewJob, ...] = (), **rest: Any) -> Receipt:
        return await self.tenant(caller).commit(Commit(ops, jobs, **rest))

    async def lease(self, jobs_max: int = 1, worker: str = "w", **rest: Any) -> list[Job]:
        return await self.ledger.jobs.lease(worker=worker, jobs_max=jobs_max, lease_s=30.0, **rest)

    async def log(self, caller: Caller = ANA, *, after: int = 0) -> list[LogEntry]:
        """The account's log as this caller sees it, in order."""
        past = SqliteHistory(self.ledger.access.readers, self.blobs).past(caller)
        return list(reversed((await past.log(LogFilter(), after=after, limit=1_000)).entries))

    async def text(self, path: str, caller: Caller = ANA) -> str:
        return (await self.tenant(caller).read(at(path))).decode()

    async def names(self, path: str, caller: Caller = ANA) -> list[str]:
        return [n.uri.name for n in await self.tenant(caller).list(at(path), limit=1_000)]

    async def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What the store itself holds."""
        return await self.ledger.access.readers.read(lambda c: c.execute(sql, values).fetchall())  # type: ignore[arg-type]

    async def force(self, sql: str, *values: object) -> None:
        """Damage the store."""
        await self.ledger.access.write(lambda c: c.execute(sql, values).fetchall() and None)  # type: ignore[arg-type]

    async def finds(self, user: str, term: str) -> list[str]:
        """Addresses of the chunks that full text finds for a term in one partition, as a search would."""
        found = await self.rows(
            "SELECT k.node FROM fts JOIN chunk k ON k.id = fts.rowid JOIN owner o ON o.account = 'acme' AND o.user = ? "
            "WHERE fts MATCH '\"o' || o.id || '_' || ? || '\"' AND k.owner = o.id ORDER BY k.id",
            user,
            term,
        )
        paths = []
        for (node,) in found:
            text = await self.ledger.backlog.node_text(ROOT, node)
            if text is not None:
                paths.append(str(text[0].uri))
        return paths


async def open_harness(folder: Path, *, worker: bool = False) -> LedgerHarness:
    """``worker``: the store as a worker process sees it."""
    clock, blobs = MemoryClock(), MemoryBlobs()
    ledger = await open_ledger(folder, blobs=blobs, clock=clock, readers=2, policies=POLICIES)
    return LedgerHarness(WorkerSide(ledger) if worker else ledger, clock, blobs, folder)


def sound(folder: Path) -> bool:
    """Whether SQLite finds its own pages in order."""
    c = apsw.Connection(str(folder / FILE_NAME), flags=apsw.SQLITE_OPEN_READONLY)
    answer = c.execute("PRAGMA integrity_check").fetchall()
    c.close()
    return answer == [("ok",)]


TIERS = Tiers("short", "long")
