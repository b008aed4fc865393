"""The public verbs: what every surface translates to, and what an embedded user calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from recalld.domain.caller import Caller
from recalld.domain.commit import Receipt
from recalld.domain.hit import Answer
from recalld.domain.job import QueueCount, Task
from recalld.domain.node import Entry, Node
from recalld.domain.report import (
    Added,
    Appended,
    Committed,
    ContextBlock,
    GrepReport,
    Operation,
    Readiness,
    SessionContext,
    Written,
)
from recalld.domain.session import Archive, Session
from recalld.ports.ledger import Usage


class Workspace:
    """All verbs as one caller. URIs are texts (``viking://...``, ``~`` understood); errors are ``domain.errors``."""

    caller: Caller

    # ------------------------------------------------------------------ tree
    async def stat(self, uri: str) -> Node: ...
    async def ls(
        self, uri: str, *, limit: int = 1000, hidden: bool = False, sort_by: str = "", descending: bool = False
    ) -> list[Node]:
        """Children; ``sort_by`` "" (name), name or mtime, directories before files."""
    async def tree(self, uri: str, *, depth: int = 3, limit: int = 1000, hidden: bool = False) -> list[Entry]: ...
    async def read(self, uri: str, *, offset: int = 0, limit: int = -1, raw: bool = False) -> str:
        """Text, whole lines ``offset``..``offset+limit`` with their line ends; sidecars and session views included."""
    async def read_bytes(self, uri: str) -> bytes: ...
    async def abstract(self, uri: str) -> str:
        """L0; of a file: of the directory it lies in; a "not ready" sentence while it is not made."""
    async def overview(self, uri: str) -> str: ...
    async def write(
        self, uri: str, content: str | bytes, *, mode: str = "replace", wait: bool = False, timeout_s: float | None = None
    ) -> Written:
        """``mode``: replace (a missing file is made), append, create."""
    async def write_many(
        self, root: str, operations: Sequence[Operation], *, wait: bool = True, timeout_s: float | None = None
    ) -> Written: ...
    async def mkdir(self, uri: str, *, description: str = "") -> Node: ...
    async def rm(self, uri: str, *, recursive: bool = False) -> Receipt: ...
    async def mv(self, source: str, to: str) -> Receipt: ...
    async def cp(self, source: str, to: str, *, recursive: bool = False) -> Receipt: ...
    async def grep(
        self, uri: str, pattern: str, *, exclude: str = "", ignore_case: bool = False, limit: int = 256, depth: int = 10
    ) -> GrepReport: ...
    async def glob(self, pattern: str, uri: str = "viking://", *, limit: int = 256) -> list[str]: ...

    # ---------------------------------------------------------------- recall
    async def find(
        self,
        query: str,
        *,
        target_uri: str | Sequence[str] = "",
        context_type: str | Sequence[str] = (),
        limit: int = 10,
        score_threshold: float | None = None,
        level: Sequence[int] = (),
        tags: Sequence[str] = (),
        since: str = "",
        until: str = "",
        time_field: str = "updated_at",
        filter: Mapping[str, Any] | None = None,
    ) -> Answer: ...
    async def search(self, query: str, *, session_id: str = "", **more: Any) -> Answer:
        """``find`` whose query is widened by the session's latest turns."""
    async def assemble(self, query: str, **options: Any) -> ContextBlock:
        """The wire's mode=context; options are its fields."""
    async def count(self, uri: str = "") -> int:
        """Chunks that can be found (below ``uri``)."""

    # -------------------------------------------------------------- sessions
    async def session_new(self, session_id: str = "", *, config: Mapping[str, Any] | None = None) -> Session: ...
    async def session(self, session_id: str, *, auto_create: bool = False) -> Session: ...
    async def sessions(self) -> list[Session]: ...
    async def say(
        self, session_id: str, messages: Sequence[Mapping[str, Any]], *, idempotency_key: str = ""
    ) -> Appended:
        """Append wire messages (role, content or parts, ...); at most 100."""
    async def session_commit(self, session_id: str, *, keep_recent_count: int = 0, **retention: Any) -> Committed: ...
    async def session_context(self, session_id: str, *, token_budget: int = 128_000) -> SessionContext: ...
    async def archive(self, session_id: str, archive_id: str) -> tuple[Archive, list[dict[str, Any]]]: ...
    async def session_delete(self, session_id: str) -> None: ...
    async def session_used(self, session_id: str, *, contexts: Sequence[str] = (), skills: int = 0) -> tuple[int, int]: ...

    # ---------------------------------------------------------------- import
    async def add(
        self,
        upload: Path,
        *,
        name: str,
        to: str = "",
        parent: str = "",
        create_parent: bool = False,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        ignore_dirs: Sequence[str] = (),
        strict: bool = False,
        split: bool = True,
        tags: Sequence[str] = (),
        wait: bool = False,
        timeout_s: float | None = None,
        keep_source: bool = True,
    ) -> Added:
        """Import a folder, a file or a zip lying at ``upload``; ``name`` is what the tree calls it (a zip's extension is
        dropped). ``keep_source`` False: ``upload`` is ours and is deleted when the import has ended."""
    async def task(self, task_id: str) -> Task: ...
    async def tasks(self, *, type: str = "", status: str = "", resource_id: str = "", limit: int = 50) -> list[Task]: ...
    async def cancel(self, task_id: str) -> Task: ...
    async def wait(self, *, timeout_s: float | None = None, task_id: str = "") -> list[QueueCount]:
        """Until no job of this caller (or task) is left; raises the wire's DEADLINE_EXCEEDED."""


class Engine(Workspace):
    """One open data folder. Its own verbs act as its default caller; ``as_caller`` binds another."""

    @classmethod
    @asynccontextmanager
    async def open(cls, data: Path | str, *, worker: str = "inside", **settings: Any) -> AsyncIterator[Engine]:
        """Open (and make) a data folder; raises ``Conflict`` if another process has it. ``worker``: inside (a task of
        this loop), beside (a supervised process) or none."""
        yield cls()

    def as_caller(self, caller: Caller) -> Workspace: ...
    @property
    def upload_dir(self) -> Path:
        """Where uploads are put before ``add``."""
    async def usage(self) -> Usage: ...
    async def queues(self) -> list[QueueCount]: ...
    async def readiness(self) -> Readiness: ...
