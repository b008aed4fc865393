"""Operations on sessions: conversations, their archives, and the memories extracted from them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from recalld.domain.commit import Commit, ConfigureSession, MarkUsed, OpenSession
from recalld.domain.errors import NotFound
from recalld.domain.results import Appended, Committed, Remembered, SessionContext, ToolResult
from recalld.domain.session import Archive, Session
from recalld.ports.ledger import SESSIONS_MAX, ReadTransaction
from recalld.rules.ids import check_session_id
from recalld.rules.openviking_json import message_json
from recalld.rules.retention import BY_COUNT, Retention
from recalld.usecases.session.append import append, new_config
from recalld.usecases.session.commit import commit
from recalld.usecases.session.context import context
from recalld.usecases.session.extract_memories import extract_now
from recalld.usecases.tree import mkdir_rm_mv_cp, outputs

from .operations import Operations, check_min

_ARCHIVE_ID = re.compile(r"archive_(\d{3,})")


class SessionOperations(Operations):
    """The sessions of a caller. All raise ``Invalid`` for what is not a session id."""

    async def create(self, session_id: str = "", *, config: Mapping[str, Any] | None = None) -> Session:
        """Create a session. Without ``session_id`` it gets a new one.

        Raises ``Conflict`` (``ALREADY_EXISTS``).
        """
        clock = self._ports.clock
        name = session_id or f"{clock.stamp('%Y%m%d-%H%M%S')}-{clock.token(8)}"
        check_session_id(name)
        return await self._changed(OpenSession(name, {**new_config(self._ports), **(config or {})}))

    async def get(self, session_id: str, *, auto_create: bool = False) -> Session:
        """Return a session. ``auto_create`` creates a missing one.

        Raises ``NotFound``.
        """
        try:
            return await self._ports.ledger.tenant(self.caller).session(session_id)
        except NotFound:
            if not auto_create:
                raise
        check_session_id(session_id)
        return await self._changed(OpenSession(session_id, new_config(self._ports), exist_ok=True))

    async def configure(self, session_id: str, changes: Mapping[str, Any]) -> Session:
        """Replace these settings of a session. None removes a setting.

        Raises ``NotFound``.
        """
        if not changes:
            return await self.get(session_id)
        return await self._changed(ConfigureSession(session_id, dict(changes)))

    async def append(
        self, session_id: str, messages: Sequence[Mapping[str, Any]], *, idempotency_key: str = ""
    ) -> Appended:
        """Append 1 to 100 messages as in the HTTP API (``role``, ``content`` or ``parts``), all or none.

        They are durable and searchable on return. A missing session is created. A repeated call with the same
        ``idempotency_key`` adds nothing. Raises ``Invalid`` for a bad message.
        """
        return await append(session_id, messages, idempotency_key, self.caller, self._ports)

    async def commit(
        self,
        session_id: str,
        *,
        keep_recent_count: int = 0,
        retention: Retention = BY_COUNT,
        event_tags: Sequence[str] | None = None,
    ) -> Committed:
        """Archive the live messages. A background task extracts memories from them; ``task_id`` in the result names it.

        The newest ``keep_recent_count`` messages stay live, or with ``retention`` the newest whole turns.
        ``event_tags`` are the tags of extracted events (default: those of the session).
        Raises ``NotFound``, ``Invalid`` for a bad count, and ``Busy`` under concurrent commits.
        """
        return await commit(session_id, keep_recent_count, retention, event_tags, self.caller, self._ports)

    async def context(self, session_id: str, *, token_budget: int = 128_000) -> SessionContext:
        """Return the overview of the newest archive and the live messages, within a budget.

        Raises ``NotFound``.
        """
        return await context(session_id, token_budget, self.caller, self._ports)

    async def archives(self, session_id: str) -> list[Archive]:
        """Return the archives of a session, oldest first.

        Raises ``NotFound``.
        """
        return await self._ports.ledger.tenant(self.caller).archives(session_id)

    async def archive(self, session_id: str, archive_id: str) -> tuple[Archive, list[dict[str, Any]]]:
        """Return a finished archive and its messages.

        Raises ``NotFound``, also while the archive is not finished.
        """
        found = _ARCHIVE_ID.fullmatch(archive_id)

        def read(reader: ReadTransaction) -> tuple[Archive, list[dict[str, Any]]] | None:
            reader.session(session_id)
            one = reader.archive(session_id, number=int(found[1])) if found else None
            if one is None or one.state != "done":
                return None
            return one, [message_json(m) for m in reader.messages(session_id, archive=one.number)]

        result = await self._ports.ledger.tenant(self.caller).read_transaction(read)
        if result is not None:
            return result
        raise NotFound(
            f"Archive not found: {archive_id}",
            remedy="it may not be finished yet: ask for its task",
            details={"type": "archive", "resource": archive_id},
        )

    async def extract(self, session_id: str) -> Sequence[Remembered]:
        """Extract memories from the live messages now, and leave the messages live.

        Raises ``NotFound``.
        """
        return await extract_now(session_id, self.caller, self._ports)

    async def mark_used(self, session_id: str, *, contexts: Sequence[str] = (), skills: int = 0) -> tuple[int, int]:
        """Count the contexts and skills that a session used, and return the session's totals of both.

        Raises ``NotFound``.
        """
        session = await self._changed(MarkUsed(session_id, tuple(self._uri(u) for u in contexts), skills))
        return session.contexts_used, session.skills_used

    async def delete(self, session_id: str) -> None:
        """Delete a session with all its messages and archives.

        Raises ``NotFound``.
        """
        await mkdir_rm_mv_cp.remove((await self.get(session_id)).uri, True, self.caller, self._ports)

    async def tool_results(self, session_id: str, *, tool_name: str = "", limit: int = 50) -> list[dict[str, Any]]:
        """Return the metadata of tool outputs that are stored as files of their own, newest first.

        Raises ``NotFound``.
        """
        check_min(limit, 1, "limit")
        return await outputs.outputs(session_id, tool_name, limit, self.caller, self._ports)

    async def tool_result(self, session_id: str, output_id: str, *, offset: int = 0, limit: int = 20_000) -> ToolResult:
        """Return a part of a tool output. ``offset`` and ``limit`` count code points (-1: all).

        Raises ``NotFound``.
        """
        check_min(offset, 0, "offset")
        check_min(limit, -1, "limit")
        return await outputs.output(session_id, output_id, offset, limit, self.caller, self._ports)

    async def search_tool_result(
        self, session_id: str, output_id: str, text: str, *, limit: int = 20, context_chars: int = 300
    ) -> list[tuple[int, str]]:
        """Return where ``text`` occurs in a tool output, in any case: offsets, each with the text around it.

        Raises ``NotFound``.
        """
        check_min(limit, 1, "limit")
        check_min(context_chars, 0, "context_chars")
        return await outputs.search_output(session_id, output_id, text, limit, context_chars, self.caller, self._ports)

    async def _changed(self, change: OpenSession | ConfigureSession | MarkUsed) -> Session:
        """Commit a change and return the session after it."""
        receipt = await self._ports.ledger.tenant(self.caller).commit(Commit((change,)))
        assert receipt.session is not None
        return receipt.session

    async def list(self, *, limit: int = SESSIONS_MAX, offset: int = 0) -> list[Session]:
        """Return sessions, newest first, without the first ``offset``.

        Raises ``Invalid`` for a limit below 1.
        """
        check_min(limit, 1, "limit")
        return await self._ports.ledger.tenant(self.caller).sessions(limit=limit, offset=offset)
