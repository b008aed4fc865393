"""All operations of one caller; every surface calls these."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from recalld.domain.caller import Caller
from recalld.domain.commit import Commit, ConfigureSession, MarkUsed, OpenSession, Receipt, WriteMode
from recalld.domain.errors import Denied, Invalid, NotFound
from recalld.domain.hit import Answer
from recalld.domain.job import QueueCount, Task
from recalld.domain.node import Entry, Node
from recalld.domain.query import Query
from recalld.domain.results import (
    Appended,
    Committed,
    ContextBlock,
    GrepReport,
    Operation,
    SessionContext,
    Written,
)
from recalld.domain.session import Archive, Session
from recalld.domain.uri import Uri, bad_uri
from recalld.ports.bundle import PrimaryPorts
from recalld.ports.ledger import ReadTransaction
from recalld.ports.sessions import SESSIONS_MAX
from recalld.rules.address import resolve
from recalld.rules.ids import check_session_id
from recalld.rules.lines import Page
from recalld.rules.openviking_json import message_json
from recalld.rules.retention import BY_COUNT, Retention
from recalld.rules.search_request import parse_query
from recalld.usecases.context import assemble as assembling
from recalld.usecases.find.find import find
from recalld.usecases.find.search import search
from recalld.usecases.find.session_expansion import expand_with_session
from recalld.usecases.maintenance.cancel import cancel
from recalld.usecases.session.append import append, new_config
from recalld.usecases.session.commit import commit
from recalld.usecases.session.context import context
from recalld.usecases.tree import alias, edit, match, mkdir_rm_mv_cp, read, write

from . import request
from .importing import Importing
from .wait_idle import wait_until_idle

V = TypeVar("V")
Tags = Sequence[str] | None
_ARCHIVE_ID = re.compile(r"archive_(\d{3,})")


class Workspace(Importing):
    """The operations of one caller. URIs are texts (``viking://...``, ``~`` allowed); errors are ``domain.errors``."""

    _ports: PrimaryPorts

    def __init__(self, ports: PrimaryPorts, caller: Caller, recall_deadline_s: float) -> None:
        self._ports = ports
        self.caller = caller
        self._recall_deadline_s = recall_deadline_s

    def facade(self, kind: Callable[[PrimaryPorts, Caller], V]) -> V:
        """Return further operations of the same caller: ``SkillOperations``, ``PackOperations`` and the other facades
        of ``app``."""
        return kind(self._ports, self.caller)

    def resolve(self, text: str) -> Uri:
        """Parse a text as an address of this caller. Raises ``Invalid`` and ``Denied``."""
        return self._uri(text)

    def _uri(self, text: str) -> Uri:
        return resolve(text, self.caller, self._ports.clock.now())

    # ------------------------------------------------------------------ tree
    async def stat(self, uri: str) -> Node:
        """Return one entry; an imported document also at OpenViking's address, as in ``read``. Raises ``NotFound``."""
        return await alias.read_with_alias(
            self._uri(uri), lambda at: read.stat(at, self.caller, self._ports), self.caller, self._ports
        )

    async def ls(
        self, uri: str, *, limit: int = 1000, hidden: bool = False, sort_by: str = "", descending: bool = False
    ) -> list[Node]:
        """Return children; ``sort_by`` "" (name), name or mtime; directories before files."""
        if sort_by not in {"", "name", "mtime"}:
            raise Invalid(f"sort_by {sort_by!r} is unknown", remedy="name or mtime", details={"field": "sort_by"})
        _positive(limit, "limit")
        return await read.list_dir(
            self._uri(uri), self.caller, self._ports, limit=limit, hidden=hidden, sort_by=sort_by, descending=descending
        )

    async def tree(self, uri: str, *, depth: int = 3, limit: int = 1000, hidden: bool = False) -> list[Entry]:
        """Return all descendants in pre-order."""
        _positive(limit, "limit")
        _positive(depth, "level_limit")
        return await read.walk(self._uri(uri), self.caller, self._ports, depth=depth, limit=limit, hidden=hidden)

    async def read(self, uri: str, *, offset: int = 0, limit: int = -1, raw: bool = False) -> str:
        """Return text, whole lines ``offset`` to ``offset + limit`` with their ends, also of sidecars and session
        views. ``docs/deploy/deploy.md`` means an imported ``docs/deploy.md`` if nothing else is there."""
        return await alias.read_with_alias(
            self._uri(uri),
            lambda at: read.read(at, self.caller, self._ports, offset=offset, limit=limit, raw=raw),
            self.caller,
            self._ports,
        )

    async def read_page(self, uri: str, *, offset: int = 0, limit: int = -1, chars_max: int) -> Page:
        """Return as many whole lines from ``offset`` on as fit into ``chars_max`` characters, at most ``limit`` (-1:
        all)."""
        return await alias.read_with_alias(
            self._uri(uri),
            lambda at: read.read_page(at, self.caller, self._ports, offset=offset, limit=limit, chars_max=chars_max),
            self.caller,
            self._ports,
        )

    async def read_bytes(self, uri: str) -> bytes:
        """Return a file as stored."""
        return await alias.read_with_alias(
            self._uri(uri), lambda at: read.read_bytes(at, self.caller, self._ports), self.caller, self._ports
        )

    async def abstract(self, uri: str) -> str:
        """Return L0; for a file its directory's; a placeholder until it is generated."""
        return await self._tier(uri, 0)

    async def overview(self, uri: str) -> str:
        """Return L1 of a directory."""
        return await self._tier(uri, 1)

    async def _tier(self, uri: str, level: int) -> str:
        caller, ports = self.caller, self._ports
        return await alias.read_tier_with_alias(
            self._uri(uri), level, lambda at, of: read.tier(at, of, caller, ports), caller, ports
        )

    async def write(
        self,
        uri: str,
        content: str | bytes,
        *,
        mode: str = "replace",
        if_version: int | None = None,
        wait: bool = False,
        timeout_s: float | None = None,
    ) -> Written:
        """Write a file. ``mode``: replace (creates a missing file), append, create. ``if_version``: replace only this
        version (0: only if missing), else ``Conflict``. ``wait``: until tiers and vectors are complete."""
        data = content.encode("utf-8", "replace") if isinstance(content, str) else content
        try:
            target = self._uri(uri)
        except Denied as unsafe:
            raise bad_uri(uri, unsafe.message) from unsafe
        written = await write.write(target, data, mode, self.caller, self._ports, if_version=if_version)
        return await self._settled(written, wait, timeout_s)

    async def edit(
        self,
        uri: str,
        old: str,
        new: str,
        *,
        replace_all: bool = False,
        wait: bool = False,
        timeout_s: float | None = None,
    ) -> tuple[Written, int]:
        """Replace a text that occurs once (``replace_all``: every occurrence); return the number of replacements. Edits
        of one file wait their turn. Raises ``Conflict`` if it does not occur that often."""
        written, times = await edit.edit(
            self._uri(uri), old, new, every=replace_all, caller=self.caller, ports=self._ports
        )
        return await self._settled(written, wait, timeout_s), times

    async def write_many(
        self, root: str, operations: Sequence[Operation], *, wait: bool = True, timeout_s: float | None = None
    ) -> Written:
        """Write up to 256 files in one commit."""
        return await self._settled(
            await write.write_many(self._uri(root), operations, self.caller, self._ports), wait, timeout_s
        )

    def operation(self, uri: str, data: bytes, mode: str) -> Operation:
        """Return one file of a batch: replace, upsert, create or append."""
        target = self._uri(uri)
        if mode == "append":
            return Operation(target, data, append=True)
        try:
            return Operation(target, data, WriteMode(mode))
        except ValueError as bad:
            raise Invalid(
                f"mode {mode!r} is unknown", remedy="replace, upsert, create or append", details={"field": "mode"}
            ) from bad

    async def _settled(self, written: Written, wait: bool, timeout_s: float | None) -> Written:
        if not wait:
            return written
        await self.wait(timeout_s=timeout_s)
        return replace(written, indexed=True, pending=0)

    async def mkdir(self, uri: str, *, description: str = "") -> Node:
        """Create a directory and its parents. Raises ``Conflict`` if it exists."""
        return await mkdir_rm_mv_cp.mkdir(self._uri(uri), description, self.caller, self._ports)

    async def rm(self, uri: str, *, recursive: bool = False) -> Receipt:
        """Remove a file, or a directory if ``recursive``; a missing one is not an error."""
        return await mkdir_rm_mv_cp.remove(self._uri(uri), recursive, self.caller, self._ports)

    async def mv(self, source: str, to: str) -> Receipt:
        """Rename or move a subtree of any size in one step. Below an existing directory if ``to`` ends in /."""
        target = self._uri(to)
        if to.endswith("/"):
            raise Invalid(f"{to} ends in /", remedy="name the target itself", details={"field": "to_uri"})
        return await mkdir_rm_mv_cp.move(self._uri(source), target, self.caller, self._ports)

    async def cp(self, source: str, to: str, *, recursive: bool = False) -> Receipt:
        """Copy a file, or a directory if ``recursive``."""
        return await mkdir_rm_mv_cp.copy(self._uri(source), self._uri(to), recursive, self.caller, self._ports)

    async def grep(
        self, uri: str, pattern: str, *, exclude: str = "", ignore_case: bool = False, limit: int = 256, depth: int = 10
    ) -> GrepReport:
        """Return lines that match an RE2 pattern."""
        _positive(limit, "node_limit")
        without = self._uri(exclude) if exclude else None
        return await match.grep(
            self._uri(uri),
            pattern,
            self.caller,
            self._ports,
            exclude=without,
            ignore_case=ignore_case,
            limit=limit,
            depth=depth,
        )

    async def glob(self, pattern: str, uri: str = "viking://", *, limit: int = 256) -> list[str]:
        """Return URIs whose path below ``uri`` matches."""
        _positive(limit, "node_limit")
        return await match.glob(pattern, self._uri(uri), self.caller, self._ports, limit=limit)

    # ---------------------------------------------------------------- recall
    async def find(self, query: str, **options: Any) -> Answer:
        """Search. Options: target_uri, context_type, limit, score_threshold, level, tags, since, until, time_field,
        filter (see ``rules/search_request.parse_query``)."""
        parsed = parse_query(query, self.caller, self._ports.clock.now(), **options)
        return await find(parsed, self.caller, self._ports, deadline_s=self._recall_s())

    def _recall_s(self) -> float:
        """Return the rest of the search deadline after the request got its slot."""
        return max(self._recall_deadline_s - request.current().queued_s, self._recall_deadline_s / 4)

    async def search(self, query: str, *, session_id: str = "", **options: Any) -> Answer:
        """Search with the query expanded by the session's latest turns, and rerank."""
        parsed = parse_query(query, self.caller, self._ports.clock.now(), **options)
        if not session_id:
            return await search(parsed, self.caller, self._ports, deadline_s=self._recall_s())
        clock, deadline_s = self._ports.clock, self._recall_s()
        end = clock.monotonic() + deadline_s
        tenant = self._ports.ledger.tenant(self.caller)
        text, missing = await expand_with_session(parsed.text, session_id, tenant, within_s=deadline_s / 4)
        left_s = max(end - clock.monotonic(), deadline_s / 2)
        answer = await search(replace(parsed, text=text), self.caller, self._ports, deadline_s=left_s)
        return replace(answer, degraded=tuple(sorted({*answer.degraded, *missing}))) if missing else answer

    async def assemble(self, query: str, **options: Any) -> ContextBlock:
        """Return a context block (the API's mode=context); options are the fields of
        ``usecases/context/request.ContextRequest`` with URIs as texts."""
        exclude = tuple(self._uri(u) for u in options.pop("exclude", ()))
        request = assembling.ContextRequest(query, exclude=exclude, **options)
        return await assembling.assemble(request, self.caller, self._ports, deadline_s=self._recall_s())

    async def count(self, uri: str = "") -> int:
        """Return the number of findable chunks (below ``uri``)."""
        targets = (self._uri(uri),) if uri and self._uri(uri).parts else ()
        return (await self._ports.index.open(self.caller, Query("", targets, levels=(0, 1, 2)))).size

    # -------------------------------------------------------------- sessions
    async def session_new(self, session_id: str = "", *, config: Mapping[str, Any] | None = None) -> Session:
        """Create a session. Raises ``Conflict`` ``ALREADY_EXISTS``."""
        name = session_id or self._fresh_session_id()
        check_session_id(name)
        return await self._session_after(OpenSession(name, {**new_config(self._ports), **(config or {})}))

    async def _session_after(self, change: OpenSession | ConfigureSession | MarkUsed) -> Session:
        """Return a session after the commit of this change."""
        receipt = await self._ports.ledger.tenant(self.caller).commit(Commit((change,)))
        assert receipt.session is not None
        return receipt.session

    def _fresh_session_id(self) -> str:
        clock = self._ports.clock
        return f"{clock.stamp('%Y%m%d-%H%M%S')}-{clock.token(8)}"

    async def session(self, session_id: str, *, auto_create: bool = False) -> Session:
        """Return a session. Raises ``NotFound``."""
        tenant = self._ports.ledger.tenant(self.caller)
        try:
            return await tenant.session(session_id)
        except NotFound:
            if not auto_create:
                raise
        check_session_id(session_id)
        return await self._session_after(OpenSession(session_id, new_config(self._ports), exist_ok=True))

    async def session_configure(self, session_id: str, config: Mapping[str, Any]) -> Session:
        """Replace these keys of a session's settings."""
        return await self._session_after(ConfigureSession(session_id, dict(config)))

    async def sessions(self, *, limit: int = SESSIONS_MAX, offset: int = 0) -> list[Session]:
        """Return sessions, newest first, at most ``limit`` after the first ``offset``."""
        _positive(limit, "limit")
        return await self._ports.ledger.tenant(self.caller).sessions(limit=limit, offset=offset)

    async def append(
        self, session_id: str, messages: Sequence[Mapping[str, Any]], *, idempotency_key: str = ""
    ) -> Appended:
        """Append 1 to 100 API messages (role, content or parts, ...); durable and searchable on return."""
        return await append(session_id, messages, idempotency_key, self.caller, self._ports)

    async def session_commit(
        self, session_id: str, *, keep_recent_count: int = 0, retention: Retention = BY_COUNT, event_tags: Tags = None
    ) -> Committed:
        """Archive live messages; memories follow in the background under ``task_id``. ``event_tags``: tags of the events
        extracted (None: the session's own)."""
        return await commit(session_id, keep_recent_count, retention, event_tags, self.caller, self._ports)

    async def session_context(self, session_id: str, *, token_budget: int = 128_000) -> SessionContext:
        """Return the session within a token budget."""
        return await context(session_id, token_budget, self.caller, self._ports)

    async def archives(self, session_id: str) -> list[Archive]:
        """Return archives, oldest first."""
        return await self._ports.ledger.tenant(self.caller).archives(session_id)

    async def archive(self, session_id: str, archive_id: str) -> tuple[Archive, list[dict[str, Any]]]:
        """Return a finished archive and its messages. Raises ``NotFound``."""
        found = _ARCHIVE_ID.fullmatch(archive_id)

        def look(reader: ReadTransaction) -> tuple[Archive, list[dict[str, Any]]] | None:
            reader.session(session_id)
            one = reader.archive(session_id, number=int(found[1])) if found else None
            if one is None or one.state != "done":
                return None
            return one, [message_json(m) for m in reader.messages(session_id, archive=one.number)]

        shown = await self._ports.ledger.tenant(self.caller).read_transaction(look)
        if shown is not None:
            return shown
        raise NotFound(
            f"Archive not found: {archive_id}",
            remedy="it may not be finished yet: ask for its task",
            details={"type": "archive", "resource": archive_id},
        )

    async def session_delete(self, session_id: str) -> None:
        """Remove a session with all its messages and archives. Raises ``NotFound``."""
        session = await self._ports.ledger.tenant(self.caller).session(session_id)
        await mkdir_rm_mv_cp.remove(session.uri, True, self.caller, self._ports)

    async def session_used(self, session_id: str, *, contexts: Sequence[str] = (), skills: int = 0) -> tuple[int, int]:
        """Count what a session used; return the session's totals of contexts and skills."""
        session = await self._session_after(MarkUsed(session_id, tuple(self._uri(u) for u in contexts), skills))
        return session.contexts_used, session.skills_used

    # ----------------------------------------------------------------- tasks
    async def task(self, task_id: str) -> Task:
        """Return a task. Raises ``NotFound``."""
        return await self._ports.ledger.tenant(self.caller).task(task_id)

    async def tasks(
        self, *, type: str = "", status: str = "", resource_id: str = "", limit: int = 50, offset: int = 0
    ) -> list[Task]:
        """Newest first, without the first ``offset``."""
        return await self._ports.ledger.tenant(self.caller).tasks(
            type=type, status=status, resource_id=resource_id, limit=limit, offset=offset
        )

    async def cancel(self, task_id: str) -> Task:
        """Ask a task to stop. Raises ``Conflict`` if it has ended, or is of a type that is done to its end."""
        return await cancel(task_id, self.caller, self._ports)

    async def wait(self, *, timeout_s: float | None = None, task_id: str = "") -> list[QueueCount]:
        """Until no job of this caller (or of one task) is left. Raises the wire's DEADLINE_EXCEEDED; the work goes on.

        A request that waits gives its place among the others back first.
        """
        await wait_until_idle(self._ports, self.caller, timeout_s=timeout_s, task_id=task_id)
        return await self._ports.stats.queues()


def _positive(value: int, field: str) -> None:
    if value < 1:
        raise Invalid(f"{field} {value} is not positive", remedy="1 or more", details={"field": field})
